//! The program takes what the chart tells it, and may do what it needs.

use std::path::Path;
use std::process::Command;

use fleet_auth_core::enrol::rbac as enrol;
use fleet_keys::{identity, rbac as keys};
use serde_json::Value;

use crate::scene::{component, told, told_all, told_issuer, workloads};
use crate::support::{Objects, program};

fn run(program: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new(program).args(args).env_clear().output();
    let output = output.expect("it runs");
    let text = [output.stdout, output.stderr].concat();
    (
        output.status.success(),
        String::from_utf8(text).expect("text"),
    )
}

fn container(workload: &Value) -> &Value {
    &workload["spec"]["template"]["spec"]["containers"][0]
}

fn args(workload: &Value) -> Vec<&str> {
    let args = container(workload)["args"].as_array().expect("arguments");
    args.iter().map(|arg| arg.as_str().expect("text")).collect()
}

fn takes_all(program: &Path, objects: &Objects) {
    for workload in workloads(objects) {
        let args = args(workload);
        // With `--help` behind them arguments are still parsed in their order: a wrong one is an error.
        let (taken, said) = run(program, &[&args[..], &["--help"]].concat());
        assert!(taken, "{args:?}:\n{said}");
        let wrong = [&args[..], &["--no-such-flag", "--help"]].concat();
        assert!(!run(program, &wrong).0, "a wrong argument must be refused");
        let words = args.iter().take_while(|arg| !arg.starts_with("--"));
        let words: Vec<_> = words.copied().collect();
        let (_, help) = run(program, &[&words[..], &["--help"]].concat());
        for arg in &args[words.len()..] {
            let flag = arg.split('=').next().unwrap_or_default();
            assert!(help.contains(flag), "{flag} is not among:\n{help}");
        }
        for variable in container(workload)["env"].as_array().expect("a list") {
            let name = variable["name"].as_str().expect("text");
            // The one that the logging library reads.
            let known = help.contains(&format!("[env: {name}=")) || name == "RUST_LOG";
            assert!(known, "{name} is not among:\n{help}");
        }
    }
}

#[test]
fn the_program_takes_every_argument_and_every_variable() {
    let what = "what the chart tells the auth services";
    let Some(program) = program("fleet-auth", what) else {
        return;
    };
    takes_all(&program, &told().objects());
    takes_all(&program, &told_all().objects());
    takes_all(&program, &told_issuer().objects());
}

/// What a role grants.
fn rules(role: &Value) -> Vec<Value> {
    role["rules"].as_array().expect("rules").clone()
}

fn values(rules: Vec<k8s_openapi::api::rbac::v1::PolicyRule>) -> Vec<Value> {
    let rules = rules.into_iter().map(serde_json::to_value);
    rules.collect::<Result<_, _>>().expect("rules")
}

#[test]
fn roles_grant_what_the_program_declares_and_nothing_else() {
    let objects = told().objects();
    let role = |name: &str| rules(objects.get(name));
    let lease = "rel-fleet-auth-enrolment";
    assert_eq!(
        role("ClusterRole rel-fleet-auth-enrolment"),
        values(enrol::rules(enrol::Scope::Cluster, lease))
    );
    assert_eq!(
        role("Role fleet-enrolment/rel-fleet-auth-enrolment"),
        values(enrol::rules(enrol::Scope::Namespace, lease))
    );
    let ensure = values(keys::rules(keys::Role::Ensure));
    let seal = values(keys::rules(keys::Role::Seal));
    assert_eq!(role("Role rel-fleet-auth-secrets"), [ensure, seal].concat());
    let identity = identity::rules(&identity::Given::default());
    assert_eq!(
        rules(told_issuer().objects().get("Role rel-fleet-auth-zitadel")),
        values(identity)
    );
    let enrolment = workloads(&objects).into_iter();
    let mut enrolment = enrolment.filter(|w| component(w) == "enrolment");
    let args = args(enrolment.next().expect("the service"));
    assert!(args.contains(&format!("--lease-name={lease}").as_str()));
}

#[test]
fn a_pod_mounts_what_its_arguments_name_and_nothing_else() {
    for objects in [told().objects(), told_all().objects()] {
        for workload in workloads(&objects) {
            let container = container(workload);
            let mounts = container["volumeMounts"].as_array().cloned();
            for mount in mounts.unwrap_or_default() {
                let folder = mount["mountPath"].as_str().expect("a path");
                let named = args(workload).iter().any(|arg| arg.contains(folder));
                assert!(named, "{folder} of {} is for nothing", component(workload));
            }
        }
    }
}
