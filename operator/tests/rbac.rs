//! The operator's permissions: each is needed, none is missing, and a lack is told.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod support;

use std::collections::BTreeSet;

use fleet_contracts::payload::Phase;
use fleet_operator_core::rbac::{DEFAULT_LEASE, Names, Permission, Scope, permissions};
use fleet_testbed::{OPERATOR_USER, OperatorRights, Request, Testbed};
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use serde_json::json;
use support::{Stage, eventually};

/// The Lease is not in the namespace of the Deployments: the `Role` must do.
const LEASE_NAMESPACE: &str = "fleet-system";
const ARGS: [&str; 6] = [
    "--lease-namespace",
    LEASE_NAMESPACE,
    "--heartbeat-period",
    "0.4",
    "--stale-after",
    "0.8",
];

async fn stage(name: &str) -> Stage {
    // Where lists are streamed, a watch is all that is asked for; here both are.
    let bed = Testbed::builder(name).audit([OPERATOR_USER]);
    let bed = bed.without_streamed_lists();
    let rights = OperatorRights::default().lease_namespace(LEASE_NAMESPACE);
    Stage::open_with(bed, &rights).await
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_granted_is_used_and_nothing_else_is_asked_for() {
    let stage = stage("rbac").await;
    everything(&stage).await;
    let requests = stage.bed.api_server().expect("a server").audited();
    let requests = requests.expect("an audit log");

    let refused: Vec<_> = requests.iter().filter(|r| r.code == 403).collect();
    assert!(refused.is_empty(), "a grant is missing: {refused:#?}");
    let outside: BTreeSet<_> = requests
        .iter()
        .filter(|request| !is_everybodys(request))
        .filter(|request| !permissions().any(|p| covers(&p, request)))
        .map(|request| format!("{request:?}"))
        .collect();
    assert!(outside.is_empty(), "no grant covers: {outside:#?}");
    let unused: Vec<_> = permissions()
        .filter(|permission| !requests.iter().any(|r| covers(permission, r)))
        .map(|permission| format!("{permission}, granted because {}", permission.grant.reason))
        .collect();
    assert!(unused.is_empty(), "nobody used: {unused:#?}");
}

/// Whoever is logged in may ask what they may do.
fn is_everybodys(request: &Request) -> bool {
    request.verb == "create" && request.resource == "selfsubjectaccessreviews"
}

/// Whether a request needs this permission.
fn covers(permission: &Permission, request: &Request) -> bool {
    let grant = permission.grant;
    // An apply that finds no object makes one, and needs both permissions.
    let made = request.verb == "patch" && request.code == 201;
    let verb = permission.verb.as_str();
    let place = match grant.scope {
        Scope::Cluster => true,
        Scope::LeaseNamespace => request.namespace == LEASE_NAMESPACE,
    };
    let name = match grant.names {
        Names::Any => true,
        // A right of people.
        Names::Pages => false,
        Names::Lease => request.name == DEFAULT_LEASE,
    };
    place
        && name
        && grant.api_group == request.group
        && grant.resource == request.resource
        && (verb == request.verb || (made && verb == "create"))
}

/// Everything an operator does in its life.
async fn everything(stage: &Stage) {
    let first = stage.operator_with("first", &ARGS);
    stage.wait_leader(&first).await;
    let second = stage.operator_with("second", &ARGS);

    // A device registers, is targeted by its labels, fails, recovers and fails again.
    stage.announce("dev-1", &[("region", "eu")]).await;
    let europe = json!({"region": "eu"});
    let v1 = stage.deploy("web", &europe, "web:v1").await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;
    for phase in [Phase::Failed, Phase::Running, Phase::Failed, Phase::Running] {
        stage.report("dev-1", "web", v1, phase).await;
        let reason = match phase {
            Phase::Failed => "DevicesFailed",
            _ => "AllSucceeded",
        };
        wait_reason(stage, "web", "Ready", reason).await;
    }
    eventually("a repeated Event", true, || has_series(stage)).await;

    // It goes silent and comes back, changes its label, and a person labels it.
    wait_device(stage, "Stale").await;
    tokio::select! {
        () = beats(stage) => {}
        () = wait_device(stage, "Reachable") => {}
    }
    stage.announce("dev-1", &[("region", "us")]).await;
    stage.wait_runs("dev-1", &[]).await;
    let labels = json!({
        "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device",
        "metadata": {"labels": {"tier": "gold"}},
    });
    stage
        .devices()
        .patch(
            "dev-1",
            &PatchParams::apply("person").force(),
            &Patch::Apply(&labels),
        )
        .await
        .expect("labelled");
    let gold = json!({"tier": "gold"});
    let v1 = stage.deploy("gold", &gold, "gold:v1").await;
    stage.wait_runs("dev-1", &[("gold", v1)]).await;

    // A spec is refused where only the operator can see it.
    let circle = json!({"targetSelector": {"matchLabels": europe}, "score": {"PodmanV0": {"services": [
        {"name": "a", "image": "i", "dependsOn": ["b"]},
        {"name": "b", "image": "i", "dependsOn": ["a"]},
    ]}}});
    stage.apply("circle", circle).await.expect("taken");
    wait_reason(stage, "circle", "Stalled", "InvalidScore").await;

    // The leader stops, the standby takes over, dies, and the first comes back.
    first.stop().await.expect("stopped");
    stage.wait_leader(&second).await;
    let v2 = stage.deploy("gold", &gold, "gold:v2").await;
    stage.wait_runs("dev-1", &[("gold", v2)]).await;
    first.start().expect("started");
    second.kill().await.expect("killed");
    stage.wait_leader(&first).await;

    // The device is forgotten, the Deployments are deleted.
    let params = DeleteParams::default();
    let deleted = stage.devices().delete("dev-1", &params).await;
    deleted.expect("deleted");
    stage.wait_counts("gold", [0, 0, 0, 0, 0]).await;
    for name in ["web", "gold", "circle"] {
        stage.delete(name).await;
        eventually("the object is gone", true, || async {
            matches!(stage.deployments().get_opt(name).await, Ok(None))
        })
        .await;
    }
    first.stop().await.expect("stopped");
}

async fn wait_reason(stage: &Stage, name: &str, condition: &str, reason: &str) {
    let expected = Some(reason.to_owned());
    eventually(&format!("{condition} of {name}"), expected, || async {
        let found = stage.condition(name, condition).await;
        found.map(|(_, reason)| reason)
    })
    .await;
}

async fn wait_device(stage: &Stage, condition: &str) {
    eventually(condition, Some("True".to_owned()), || async {
        let found = stage.device_condition("dev-1", condition).await;
        found.map(|(status, _)| status)
    })
    .await;
}

async fn has_series(stage: &Stage) -> bool {
    let events: Api<Event> = Api::namespaced(stage.client.clone(), "default");
    let found = events.list(&ListParams::default()).await;
    found.is_ok_and(|list| list.items.iter().any(|event| event.series.is_some()))
}

async fn beats(stage: &Stage) {
    let mut period = tokio::time::interval(std::time::Duration::from_millis(200));
    loop {
        period.tick().await;
        stage.beat("dev-1").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_permission_is_named_and_the_operator_goes_on_when_it_is_given() {
    let stage = stage("lacking").await;
    let all = OperatorRights::default().lease_namespace(LEASE_NAMESPACE);
    for (number, permission) in permissions().enumerate() {
        let lacking = all.clone().without(permission);
        let taken = stage.bed.grant_operator(&lacking).await;
        taken.expect("permissions");
        let operator = stage.operator_with(&format!("lacking-{number}"), &ARGS);
        let wanted = format!("PermissionMissing: {permission}\n");
        eventually(&wanted, true, || async {
            let page = operator.page("/readyz").await.unwrap_or_default();
            page.contains(" 503 ") && page.contains(&wanted)
        })
        .await;
        let log = operator.log();
        let told: Vec<_> = log
            .lines()
            .filter(|line| line.contains("PermissionMissing"))
            .collect();
        let [told] = told[..] else {
            panic!("one line, and only about {permission}: {log}");
        };
        assert!(told.contains(permission.grant.reason), "{told}");

        stage.bed.grant_operator(&all).await.expect("permissions");
        eventually("ready", true, || async {
            let page = operator.page("/readyz").await.unwrap_or_default();
            page.contains(" 200 ")
        })
        .await;
        let health = operator.page("/healthz").await.unwrap_or_default();
        assert!(health.contains(" 200 "), "{health}");
        operator.kill().await.expect("killed");
    }
}
