//! The charts say what the programs and types say.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_operator_core::rbac::{GRANTS, Scope, USER_ROLES};
use serde_json::{Value, json};

use crate::support::{Case, Objects, program};
use crate::toggles::everything_on;

/// All that the chart can tell the operator. The key is any point of the curve.
fn told() -> Objects {
    let values = json!({
        "nats": {"ca": {"name": "ca"}},
        "devices": {"staleAfterSeconds": 90},
        "signing": {
            "announcedKeys": ["WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY="],
            "retiredKeys": ["WGZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmZmY="],
        },
    });
    everything_on().values(values).objects()
}

fn operator() -> Option<PathBuf> {
    program("fleet-operator", "what the chart tells the operator")
}

fn run(program: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(program)
        .args(args)
        .env_clear()
        .output()
        .expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8(text).expect("text"),
    )
}

#[test]
fn the_operator_takes_every_argument_and_every_variable() {
    let Some(program) = operator() else { return };
    let objects = told();
    let args = objects.args();
    // With `--help` behind them arguments are still parsed in their order: a wrong one is an error.
    let (taken, said) = run(&program, &[&args[..], &["--help"]].concat());
    assert!(taken, "{args:?}:\n{said}");
    let (taken, said) = run(
        &program,
        &[&args[..], &["--no-such-flag", "--help"]].concat(),
    );
    assert!(!taken, "a wrong argument must be refused:\n{said}");
    let (_, help) = run(&program, &["run", "--help"]);
    let flags: BTreeSet<_> = help
        .split_whitespace()
        .filter(|word| word.starts_with("--"))
        .collect();
    for arg in &args[1..] {
        let (flag, _) = arg.split_once('=').expect("a flag and its value");
        assert!(flags.contains(flag), "{flag} is not among {flags:?}");
    }
    let variables = objects.container()["env"].as_array().expect("a list");
    let variables = variables.iter().map(|v| v["name"].as_str().expect("text"));
    for variable in variables {
        // The one that the logging library reads.
        let known = help.contains(&format!("[env: {variable}=")) || variable == "RUST_LOG";
        assert!(known, "{variable} is not among:\n{help}");
    }
}

#[test]
fn the_operator_takes_every_value_the_schema_takes() {
    let Some(program) = operator() else { return };
    for format in ["json", "text"] {
        let objects = Case::operator().values(json!({"log": {"format": format}}));
        let objects = objects.objects();
        let (taken, said) = run(&program, &[&objects.args()[..], &["--help"]].concat());
        assert!(taken, "{said}");
    }
}

fn rules(role: &Value) -> Vec<Value> {
    role["rules"].as_array().expect("a list").clone()
}

#[test]
fn roles_grant_what_the_operator_declares_and_nothing_else() {
    let objects = Case::operator().objects();
    let lease = "rel-fleet-operator";
    let granted = |scope: Scope| -> Vec<Value> {
        let grants = GRANTS.iter().filter(|grant| grant.scope == scope);
        let rules = grants.map(|grant| serde_json::to_value(grant.policy_rule(lease)));
        rules.map(|rule| rule.expect("JSON")).collect()
    };
    let role = objects.get("ClusterRole rel-fleet-operator");
    assert_eq!(rules(role), granted(Scope::Cluster));
    let role = objects.get("Role rel-fleet-operator");
    assert_eq!(rules(role), granted(Scope::LeaseNamespace));
    assert_eq!(objects.of("Role").count(), 1);
    assert_eq!(objects.of("ClusterRole").count(), 1 + USER_ROLES.len());
}

#[test]
fn roles_of_people_are_those_declared_and_join_what_they_say() {
    let objects = Case::operator().objects();
    for role in USER_ROLES {
        let name = format!("ClusterRole rel-fleet-operator-{}", role.suffix);
        let object = objects.get(&name);
        let expected = role.grants.iter();
        let expected = expected.map(|grant| grant.policy_rule("rel-fleet-operator"));
        let expected = expected.map(|rule| serde_json::to_value(rule).expect("JSON"));
        assert_eq!(rules(object), expected.collect::<Vec<_>>(), "{name}");
        let labels = object["metadata"]["labels"].as_object().expect("labels");
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        let joins = labels
            .iter()
            .filter(|(key, _)| key.contains("aggregate-to-"))
            .map(|(key, value)| (key.clone(), text(value)));
        assert_eq!(joins.collect::<BTreeMap<_, _>>(), role.labels(), "{name}");
    }
}

#[test]
fn definitions_are_those_of_the_api() {
    let expected = fleet_api::crds().expect("definitions");
    for case in [Case::operator(), Case::crds()] {
        let objects = case.objects();
        assert_eq!(
            objects.of("CustomResourceDefinition").count(),
            expected.len()
        );
        for definition in &expected {
            let definition = serde_json::to_value(definition).expect("JSON");
            let name = definition["metadata"]["name"].as_str().expect("text");
            let found = objects.get(&format!("CustomResourceDefinition {name}"));
            assert_eq!(found["spec"], definition["spec"], "{name}");
            assert_eq!(found["apiVersion"], definition["apiVersion"]);
        }
    }
}
