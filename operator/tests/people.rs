//! What the roles for people let them do, as the API server decides it.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use std::fmt::Debug;

use fleet_operator_core::rbac::{DEFAULT_LEASE, USER_ROLES};
use fleet_testbed::Testbed;
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, RoleBinding};
use kube::api::PostParams;
use kube::{Api, Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use support::eventually;

const GROUP: &str = "rbac.authorization.k8s.io";

async fn create<K>(api: Api<K>, object: Value)
where
    K: Resource<DynamicType = ()> + Clone + Debug + Serialize + DeserializeOwned,
{
    let object: K = serde_json::from_value(object).expect("an object");
    let made = api.create(&PostParams::default(), &object).await;
    made.expect("created");
}

/// Binds a `ClusterRole` to the user of this name, in namespace `default` or everywhere.
fn binding(user: &str, role: &str) -> Value {
    json!({
        "metadata": {"name": user},
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": GROUP, "kind": "User", "name": user}],
    })
}

/// `verb resource[/subresource]` in namespace `default`; Devices are in none.
async fn may(client: &Client, user: &str, what: &str) -> bool {
    let (verb, path) = what.split_once(' ').expect("a verb and a resource");
    let (resource, subresource) = path.split_once('/').unwrap_or((path, ""));
    let namespace = if resource == "devices" { "" } else { "default" };
    let review = json!({"spec": {"user": user, "resourceAttributes": {
        "group": "fleet.nationtech.io", "verb": verb, "namespace": namespace,
        "resource": resource, "subresource": subresource,
    }}});
    let review: SubjectAccessReview = serde_json::from_value(review).expect("a review");
    let api: Api<SubjectAccessReview> = Api::all(client.clone());
    let answer = api.create(&PostParams::default(), &review).await;
    let status = answer.expect("an answer").status;
    status.expect("a status").allowed
}

#[tokio::test(flavor = "multi_thread")]
async fn namespaces_give_deployments_and_only_roles_of_their_own_give_devices() {
    let bed = Testbed::builder("people").control_plane().start().await;
    let bed = bed.expect("the testbed starts");
    let client = bed.kube_client().await.expect("a client");
    for role in USER_ROLES {
        let rules: Vec<_> = role
            .grants
            .iter()
            .map(|grant| grant.policy_rule(DEFAULT_LEASE))
            .collect();
        let object = json!({
            "metadata": {"name": format!("fleet-{}", role.suffix), "labels": role.labels()},
            "rules": rules,
        });
        create::<ClusterRole>(Api::all(client.clone()), object).await;
    }
    for (user, role) in [("viewer", "view"), ("editor", "edit"), ("owner", "admin")] {
        let api = Api::namespaced(client.clone(), "default");
        create::<RoleBinding>(api, binding(user, role)).await;
    }
    for (user, role) in [
        ("watcher", "fleet-devices-viewer"),
        ("keeper", "fleet-devices-editor"),
    ] {
        create::<ClusterRoleBinding>(Api::all(client.clone()), binding(user, role)).await;
    }

    let allowed = [
        ("viewer", "watch deployments"),
        ("editor", "get deployments"),
        ("editor", "patch deployments"),
        ("owner", "delete deployments"),
        ("watcher", "list devices"),
        ("keeper", "patch devices"),
        ("keeper", "delete devices"),
    ];
    for (user, what) in allowed {
        // The aggregation is the controller manager's work and takes a moment.
        eventually(&format!("{user} may {what}"), true, || {
            may(&client, user, what)
        })
        .await;
    }
    let denied = [
        ("viewer", "create deployments"),
        ("viewer", "list devices"),
        ("editor", "patch deployments/status"),
        ("owner", "patch deployments/status"),
        ("owner", "list devices"),
        ("watcher", "patch devices"),
        ("keeper", "patch devices/status"),
        ("keeper", "create devices"),
        ("keeper", "get deployments"),
    ];
    for (user, what) in denied {
        assert!(!may(&client, user, what).await, "{user} must not {what}");
    }
}
