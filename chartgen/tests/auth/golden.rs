//! What the chart installs, to be read in a review.

use std::fmt::Write as _;

use serde_json::Value;

use crate::scene::{settled, told, told_all};
use crate::support::{Objects, charts, helms, path};

/// All objects as text, in the order of their kinds and names.
fn shown(objects: &Objects) -> String {
    let mut text = String::new();
    for (name, object) in &objects.0 {
        let mut object = object.clone();
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
