//! What the charts install, to be read in a review.

use crate::support::{Case, Objects, shown};
use crate::toggles::everything_on;

#[test]
fn the_operator_with_its_defaults() {
    insta::assert_snapshot!(shown(&Case::operator().objects()));
}

#[test]
fn the_operator_with_everything_on() {
    let base = Case::operator().objects();
    let all = everything_on().objects();
    let Objects(mut objects) = all;
    // What the snapshot of the defaults shows already is left out.
    objects.retain(|name, object| base.0.get(name) != Some(object));
    insta::assert_snapshot!(shown(&Objects(objects)));
}

#[test]
fn the_definitions_with_their_defaults() {
    insta::assert_snapshot!(shown(&Case::crds().objects()));
}
