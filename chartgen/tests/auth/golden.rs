//! What the chart installs, to be read in a review.

use crate::scene::{settled, told, told_all};
use crate::support::{Objects, charts, helms, path, shown};

#[test]
fn with_what_it_must_be_told() {
    insta::assert_snapshot!(shown(&settled(&told().objects())));
}

#[test]
fn with_all_that_it_can_be_told() {
    let base = settled(&told().objects());
    let Objects(mut objects) = settled(&told_all().objects());
    // What the other snapshot shows already is left out.
    objects.retain(|name, object| base.0.get(name) != Some(object));
    insta::assert_snapshot!(shown(&Objects(objects)));
}

#[test]
fn the_chart_passes_helms_own_linter() {
    let chart = charts().join("fleet-auth");
    for helm in helms() {
        // It must be told something, and the linter renders with the defaults.
        let told = [
            "oidc.issuer=https://id.example",
            "oidc.project=p",
            "oidc.organisation=o",
            "openbao.address=https://bao.example",
            "enrolmentApi.publicUrls={https://join.example}",
        ];
        let set = told.join(",");
        let args = [
            "lint",
            "--strict",
            "--kube-version",
            "1.36.3",
            "--set",
            &set,
            path(&chart),
        ];
        helm.run(&args).expect("linted");
    }
}
