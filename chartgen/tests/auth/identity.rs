//! What the services know of the identity provider, by values or by what the Job found out.

use serde_json::{Value, json};

use crate::scene::{component, told, told_issuer, workloads};
use crate::support::{Case, Objects};

/// A program's container.
fn container<'a>(objects: &'a Objects, program: &str) -> &'a Value {
    let of = workloads(objects).into_iter();
    let mut of = of.filter(|workload| component(workload) == program);
    let pod = &of.next().expect(program)["spec"]["template"]["spec"];
    &pod["containers"][0]
}

/// The variables that a `ConfigMap` answers: name, object, entry.
fn asked(objects: &Objects, program: &str) -> Vec<[String; 3]> {
    let variables = container(objects, program)["env"].as_array().cloned();
    let variables = variables.into_iter().flatten();
    let from = variables.filter_map(|variable| {
        let map = variable.pointer("/valueFrom/configMapKeyRef")?;
        let text = |value: &Value| value.as_str().expect("text").to_owned();
        assert_eq!(map.get("optional"), None, "pods wait for it");
        Some([
            text(&variable["name"]),
            text(&map["name"]),
            text(&map["key"]),
        ])
    });
    let is_id = |asked: &[String; 3]| asked[0].starts_with("FLEET_OIDC_");
    from.filter(is_id).collect()
}

fn args(objects: &Objects, program: &str) -> Vec<String> {
    let args = container(objects, program)["args"].as_array().cloned();
    let text = |arg: Value| arg.as_str().expect("text").to_owned();
    args.into_iter().flatten().map(text).collect()
}

fn strings(list: &[[&str; 3]]) -> Vec<[String; 3]> {
    list.iter().map(|one| one.map(str::to_owned)).collect()
}

fn objects(more: Value) -> Objects {
    told_issuer().values(more).objects()
}

#[test]
fn nothing_but_the_issuer_is_told_and_the_rest_is_what_the_job_found_out() {
    let found = objects(json!({}));
    let map = "fleet-identity";
    assert_eq!(
        asked(&found, "callout"),
        strings(&[
            ["FLEET_OIDC_AUDIENCE", map, "project"],
            ["FLEET_OIDC_ORGANISATION", map, "organisation"],
        ])
    );
    assert_eq!(
        asked(&found, "enrolment"),
        strings(&[
            ["FLEET_OIDC_ORGANISATION", map, "organisation"],
            ["FLEET_OIDC_PROJECT", map, "project"],
        ])
    );
    let job = args(&found, "zitadel");
    for arg in [
        "--oidc-issuer=https://id.example",
        "--organisation-name=fleet",
        "--project-name=fleet",
        "--oidc-role=device",
        "--identity-map=fleet-identity",
        "--enrol-token-secret=fleet-idp-token",
        "--enrol-token-entry=token",
        "--wait=600",
    ] {
        assert!(job.iter().any(|given| given == arg), "{arg}: {job:?}");
    }
    // The name of the Secret is Zitadel's own.
    let text = found.0.values().map(Value::to_string).collect::<String>();
    assert!(text.contains(r#""secretName":"iam-admin-pat""#));
}

#[test]
fn the_issuer_too_may_be_in_a_config_map() {
    let setup = json!({"issuer": {"name": "its-issuer"}});
    let found = objects(json!({"oidc": {"issuer": "", "setup": setup}}));
    let variable = "FLEET_OIDC_ISSUER";
    let job = asked(&found, "zitadel");
    assert_eq!(job, strings(&[[variable, "its-issuer", "issuer"]]));
    for program in ["callout", "enrolment"] {
        let first = asked(&found, program).swap_remove(0);
        assert_eq!(
            first,
            [variable, "fleet-identity", "issuer"].map(str::to_owned)
        );
    }
}

#[test]
fn what_is_told_counts_more_than_what_is_found_out() {
    let told = json!({"oidc": {"project": "17", "organisation": "4"}});
    let found = objects(told);
    for program in ["callout", "enrolment", "zitadel"] {
        assert_eq!(asked(&found, program), strings(&[]));
    }
    let says = |program: &str, arg: &str| {
        let args = args(&found, program);
        assert!(args.iter().any(|given| given == arg), "{arg}: {args:?}");
    };
    says("callout", "--oidc-audience=17");
    says("callout", "--oidc-organisation=4");
    says("enrolment", "--oidc-project=17");
    // Which it is then given, and not a name to look for.
    says("zitadel", "--oidc-organisation=4");
    let job = args(&found, "zitadel");
    assert!(!job.iter().any(|arg| arg.starts_with("--organisation-name")));
}

#[test]
fn every_name_may_be_another() {
    let found = objects(json!({"oidc": {
        "token": {"name": "my-token", "key": "pat"},
        "setup": {
            "identityMap": "my-ids", "organisation": "cells", "project": "edge",
            "token": {"name": "my-admin", "key": "secret"}, "waitSeconds": 0,
        },
    }}));
    assert!(
        asked(&found, "callout")
            .iter()
            .all(|asked| asked[1] == "my-ids")
    );
    let role = &found.get("Role rel-fleet-auth-zitadel")["rules"];
    let names = role.as_array().expect("rules").iter();
    let names: Vec<_> = names.filter_map(|rule| rule.get("resourceNames")).collect();
    assert_eq!(names, [&json!(["my-ids"]), &json!(["my-token"])]);
    let job = args(&found, "zitadel").join(" ");
    for arg in [
        "my-ids",
        "my-token",
        "entry=pat",
        "name=cells",
        "name=edge",
        "wait=0",
    ] {
        assert!(job.contains(arg), "{arg}: {job}");
    }
}

#[test]
fn without_an_enrolment_service_no_token_is_made_for_one() {
    let found = objects(json!({"enrolment": {"enabled": false}}));
    let job = args(&found, "zitadel").join(" ");
    assert!(!job.contains("--enrol-token"), "{job}");
}

#[test]
fn the_callout_goes_to_the_provider_by_the_same_way_as_the_others() {
    let way = json!({"oidc": {"url": "http://zitadel:8080", "host": "id.example"}});
    let case: fn() -> Case = || told().values(json!({"zitadelJob": {"enabled": true}}));
    let found = case().values(way).objects();
    for program in ["callout", "enrolment", "zitadel"] {
        let args = args(&found, program).join(" ");
        let way = "--idp-url=http://zitadel:8080 --idp-host=id.example";
        assert!(args.contains(way), "{program}: {args}");
    }
}
