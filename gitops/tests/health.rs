//! The health scripts in a Lua 5.1 with no more libraries than Argo CD gives them.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeSet;

use fleet_gitops::health::{Case, Health, Kind, application_script, cases, rules};
use fleet_operator_core::status::Truth;
use mlua::serde::SerializeOptions;
use mlua::{Lua, LuaOptions, LuaSerdeExt as _, StdLib};
use serde_json::{Value, json};

/// What a script says of an object: its health and its message.
fn judge(script: &str, object: &Value) -> (String, String) {
    // Argo CD's runtime has neither `string` nor `math`.
    let lua = Lua::new_with(StdLib::TABLE, LuaOptions::default()).expect("a runtime");
    let options = SerializeOptions::new().serialize_none_to_null(false);
    let object = lua.to_value_with(object, options).expect("an object");
    lua.globals().set("obj", object).expect("set");
    let verdict: mlua::Table = lua.load(script).eval().expect("a verdict");
    let text = |key: &str| verdict.get::<String>(key).expect(key);
    (text("status"), text("message"))
}

fn all() -> impl Iterator<Item = (Kind, Case)> {
    let cases = |kind| cases(kind).expect("objects").into_iter();
    Kind::ALL
        .into_iter()
        .flat_map(move |kind| cases(kind).map(move |case| (kind, case)))
}

#[test]
fn each_state_of_each_kind_has_the_health_that_people_should_see() {
    for (kind, case) in all() {
        let expected = (case.health.as_str().to_owned(), case.message);
        let said = judge(&kind.script(), &case.object);
        assert_eq!(said, expected, "{} {}", kind.as_str(), case.name);
    }
}

/// Each rule is reached by a state: a rule that is never reached may be wrong unnoticed.
#[test]
fn there_is_a_case_for_each_rule_and_each_reason_in_it() {
    for kind in Kind::ALL {
        let objects: Vec<_> = cases(kind).expect("objects");
        let conditions: BTreeSet<(String, String, String)> = objects
            .iter()
            .filter_map(|case| case.object["status"]["conditions"].as_array())
            .flatten()
            .map(|c| ["type", "status", "reason"].map(|key| c[key].as_str().expect(key).to_owned()))
            .map(|[kind, status, reason]| (kind, status, reason))
            .collect();
        for rule in rules(kind) {
            let (condition, status) = (rule.condition.as_str(), rule.truth.as_str());
            let seen = |reason: Option<&str>| {
                conditions.iter().any(|(k, s, r)| {
                    k == condition && s == status && reason.is_none_or(|reason| r == reason)
                })
            };
            assert!(seen(None), "{kind:?}: {rule:?}");
            for reason in &rule.reasons {
                assert!(seen(Some(reason.as_str())), "{kind:?}: {reason}");
            }
        }
    }
}

#[test]
fn every_health_is_somebodys() {
    let seen: BTreeSet<Health> = all().map(|(_, case)| case.health).collect();
    let expected = [
        Health::Healthy,
        Health::Progressing,
        Health::Suspended,
        Health::Degraded,
    ];
    assert_eq!(seen, expected.into());
}

/// Conditions of a later version, or written by hand: no script may fail over them.
#[test]
fn whatever_the_status_looks_like_there_is_a_verdict() {
    let strange = [
        json!({"metadata": {}, "status": {}}),
        json!({"metadata": {}, "status": {"conditions": []}}),
        json!({"metadata": {"generation": 1}, "status": {"conditions": [{"type": "New", "status": "True"}]}}),
        json!({"metadata": {}, "status": {"conditions": [
            {"type": "Ready", "status": Truth::False.as_str(), "reason": "Newer"}]}}),
        json!({"metadata": {}, "status": {"conditions": [{"type": "Stalled", "status": "True"}]}}),
    ];
    for object in &strange {
        for kind in Kind::ALL {
            let (health, _) = judge(&kind.script(), object);
            assert!(
                ["Progressing", "Degraded"].contains(&health.as_str()),
                "{kind:?}: {object}"
            );
        }
    }
}

#[test]
fn a_parent_is_as_healthy_as_the_children_it_waits_for() {
    let (_, script) = application_script();
    let health = |object: Value| judge(&script, &object).0;
    assert_eq!(health(json!({"metadata": {}})), "Progressing");
    let child = json!({"status": {"health": {"status": "Degraded", "message": "a pod fails"}}});
    assert_eq!(
        judge(&script, &child),
        ("Degraded".to_owned(), "a pod fails".to_owned())
    );
    assert_eq!(
        health(json!({"status": {"health": {"status": "Healthy"}}})),
        "Healthy"
    );
}
