//! What the charts install, to be read in a review.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::support::{Case, Objects};
use crate::toggles::everything_on;

/// All objects as text, in the order of their kinds and names. Of definitions, the API's own tests
/// show the rest.
fn shown(objects: &Objects) -> String {
    let mut text = String::new();
    for (name, object) in &objects.0 {
        let mut object = object.clone();
        if object["kind"] == "CustomResourceDefinition" {
            object["spec"] = json!("…");
        }
        hide_version(&mut object);
        let yaml = serde_saphyr::to_string(&object).expect("YAML");
        let _ = writeln!(text, "# {name}\n{yaml}");
    }
    text
}

/// So that a new version changes no snapshot.
fn hide_version(value: &mut Value) {
    let version = env!("CARGO_PKG_VERSION");
    match value {
        Value::String(text) if text.contains(version) => *text = text.replace(version, "VERSION"),
        Value::Array(items) => items.iter_mut().for_each(hide_version),
        Value::Object(members) => members.values_mut().for_each(hide_version),
        _ => {}
    }
}

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
