//! Groups of people are bound to the roles of their part, there and nowhere else.

use serde_json::{Value, json};

use crate::support::{Case, Objects};

const ROLE: &str = "rel-fleet-operator-";

fn people(people: &Value) -> Case {
    Case::operator().values(json!({"people": people}))
}

/// `kind role: groups` of each binding for people, with its namespace.
fn bindings(objects: &Objects) -> Vec<String> {
    let mut lines = Vec::new();
    for kind in ["ClusterRoleBinding", "RoleBinding"] {
        for binding in objects.of(kind) {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let role = text(&binding["roleRef"]["name"]);
            let Some(role) = role.strip_prefix(ROLE) else {
                continue;
            };
            assert_eq!(binding["roleRef"]["kind"], "ClusterRole");
            assert_eq!(text(&binding["metadata"]["name"]), format!("{ROLE}{role}"));
            let subjects = binding["subjects"].as_array().expect("subjects");
            let groups: Vec<String> = subjects.iter().map(|s| text(&s["name"])).collect();
            assert!(subjects.iter().all(|subject| subject["kind"] == "Group"));
            let namespace = text(&binding["metadata"]["namespace"]);
            let place = if namespace.is_empty() {
                "everywhere"
            } else {
                &namespace
            };
            lines.push(format!("{place} {role}: {}", groups.join(" ")));
        }
    }
    lines.sort();
    lines
}

#[test]
fn nobody_is_bound_unasked() {
    assert_eq!(bindings(&Case::operator().objects()), [""; 0]);
    let empty = json!({"namespaces": [{"namespace": "shop"}]});
    assert_eq!(bindings(&people(&empty).objects()), [""; 0]);
}

#[test]
fn a_part_in_the_cluster_brings_the_parts_below_it() {
    let parts = json!({"cluster": {
        "deviceViewers": ["id:d"], "viewers": ["id:v"], "editors": ["id:e"], "admins": ["id:a", "id:b"],
    }});
    assert_eq!(
        bindings(&people(&parts).objects()),
        [
            "everywhere deployments-editor: id:e id:a id:b",
            "everywhere deployments-viewer: id:v id:e id:a id:b",
            "everywhere devices-editor: id:a id:b",
            "everywhere devices-viewer: id:d id:v id:e id:a id:b",
            "everywhere enrolments-approver: id:a id:b",
            "everywhere tracer: id:v id:e id:a id:b",
        ]
    );
}

#[test]
fn a_part_in_a_namespace_is_one_there_only() {
    let parts = json!({"namespaces": [
        {"namespace": "shop", "viewers": ["id:v"], "editors": ["id:e"], "admins": ["id:a"]},
        {"namespace": "lab", "editors": ["id:e"]},
    ]});
    assert_eq!(
        bindings(&people(&parts).objects()),
        [
            "lab deployments-editor: id:e",
            "lab deployments-viewer: id:e",
            "shop deployments-editor: id:e id:a",
            "shop deployments-viewer: id:v id:e id:a",
            "shop namespace-admin: id:a",
        ]
    );
}

#[test]
fn groups_may_be_called_anything() {
    let odd = ["NO", "id:a: b", "{{ fail }}", "- x", "\"q\""];
    let parts = json!({"cluster": {"viewers": odd}});
    let objects = people(&parts).objects();
    let subjects = &objects.get(&format!("ClusterRoleBinding {ROLE}devices-viewer"))["subjects"];
    let subjects = subjects.as_array().expect("subjects");
    let names: Vec<&str> = subjects.iter().filter_map(|s| s["name"].as_str()).collect();
    assert_eq!(names, odd);
}

#[test]
fn what_cannot_be_meant_is_refused() {
    let off = json!({"rbac": {"userRoles": false}, "people": {"cluster": {"viewers": ["id:v"]}}});
    for error in Case::operator().values(off).refused() {
        assert!(
            error.contains("people.namespaces need rbac.userRoles"),
            "{error}"
        );
    }
    for wrong in [
        json!({"cluster": {"viewers": [""]}}),
        json!({"cluster": {"owners": ["id:v"]}}),
        json!({"cluster": {"viewers": "id:v"}}),
        json!({"namespaces": [{"viewers": ["id:v"]}]}),
        json!({"namespaces": [{"namespace": "Shop", "viewers": ["id:v"]}]}),
        json!({"namespaces": [{"namespace": "shop", "deviceViewers": ["id:v"]}]}),
    ] {
        people(&wrong).refused();
    }
}
