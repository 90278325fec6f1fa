//! What the parts refuse names the values as the user of the whole writes them.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::scene::{Scene, unknown};
use crate::support::{Case, charts};

/// Values of the platform that a part refuses, and how the sentence begins.
fn cases() -> Vec<(Value, &'static str)> {
    let monitor = |part: &str| {
        json!({part: {"metrics": {
            "service": {"enabled": false}, "serviceMonitor": {"enabled": true},
        }}})
    };
    // Without a provider of the platform's, and without the Job that would find out about it.
    let provider = |oidc: Value| json!({"zitadel": {"enabled": false}, "auth": {"zitadelJob": {"enabled": false}, "oidc": oidc}});
    let [issuer, project] = ["https://id.example.com", "1"];
    vec![
        (
            provider(json!({"issuer": issuer, "url": "", "project": "", "organisation": "2"})),
            "auth.oidc.project is empty: set it to the audience",
        ),
        (
            provider(json!({"issuer": issuer, "url": "", "project": project, "organisation": ""})),
            "auth.oidc.organisation is empty: set it",
        ),
        (
            provider(
                json!({"issuer": issuer, "url": "", "project": project, "organisation": "2", "host": "h"}),
            ),
            "auth.oidc.host needs auth.oidc.url: it",
        ),
        (
            json!({"auth": {"openbao": {"address": ""}}}),
            "auth.openbao.address is empty: set it",
        ),
        (
            json!({"auth": {"enrolmentApi": {"publicUrls": []}}}),
            "auth.enrolmentApi.publicUrls is empty: list",
        ),
        (
            json!({"auth": {"openbao": {"external": true}}}),
            "auth.openbao.external needs auth.openbao.kubernetesHost: the address",
        ),
        (
            monitor("auth"),
            "auth.metrics.serviceMonitor.enabled needs auth.metrics.service.enabled: a",
        ),
        (
            monitor("operator"),
            "operator.metrics.serviceMonitor.enabled needs operator.metrics.service.enabled: a",
        ),
        (
            json!({"operator": {"signing": {"existingSecret": {"name": ""}}}}),
            "operator.signing.existingSecret.name is empty: name",
        ),
        (
            json!({"operator": {"nats": {"existingSecret": {"name": ""}}}}),
            "operator.nats.existingSecret.name is empty: name",
        ),
        (
            json!({"operator": {
                "people": {"cluster": {"viewers": ["all"]}}, "rbac": {"userRoles": false},
            }}),
            "operator.people.cluster and operator.people.namespaces need operator.rbac.userRoles: groups",
        ),
    ]
}

#[test]
fn a_part_names_the_key_that_the_user_sets() {
    let scene = Scene::with_stand_ins();
    for (values, says) in cases() {
        let shown = values.to_string();
        let case = Case::of(&scene.chart()).values(unknown()).values(values);
        for error in case.refused() {
            assert!(
                error.contains(says),
                "{shown}: {says:?} is not said:\n{error}"
            );
        }
    }
}

#[test]
fn no_sentence_of_a_part_is_left_out() {
    let sentences = ["fleet-auth", "fleet-operator"].map(|chart| {
        let file = charts().join(chart).join("templates/validate.yaml");
        let text = fs::read_to_string(file).expect("read");
        text.matches(" fail ").count()
    });
    // The platform answers a missing issuer itself, in two ways: it knows whether it brings Zitadel.
    let of_the_whole = 2;
    assert_eq!(
        sentences.iter().sum::<usize>(),
        cases().len() + of_the_whole
    );
}

/// The places of all values that a schema names, below one of them.
fn leaves(schema: &Value, place: &str, found: &mut BTreeSet<String>) {
    match schema["properties"].as_object() {
        Some(properties) if !properties.is_empty() => {
            for (key, below) in properties {
                leaves(below, &format!("{place}.{key}"), found);
            }
        }
        _ => {
            found.insert(place.to_owned());
        }
    }
}

#[test]
fn the_whole_knows_every_value_of_a_part_and_no_others() {
    let schema = |chart: &str| -> Value {
        let file = charts().join(chart).join("values.schema.json");
        let text = fs::read_to_string(file).expect("read");
        serde_json::from_str(&text).expect("JSON")
    };
    let whole = schema("fleet-platform");
    for (chart, key) in [("fleet-operator", "operator"), ("fleet-auth", "auth")] {
        let (mut own, mut there) = (BTreeSet::new(), BTreeSet::new());
        // That each of these is used by a template, the build of the part demands.
        leaves(&schema(chart), "", &mut own);
        leaves(&whole["properties"][key], "", &mut there);
        // Helm hands the shared values down, and `enabled` is for charts that can be switched off.
        own.retain(|place| !place.starts_with(".global") && place != ".enabled");
        there.retain(|place| !place.starts_with(".global"));
        assert!(own.len() > 50, "{own:?}");
        let different: Vec<_> = own.symmetric_difference(&there).collect();
        assert!(different.is_empty(), "{key}: {different:?}");
    }
}
