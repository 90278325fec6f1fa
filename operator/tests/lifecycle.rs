//! Statuses, deletion, restarts.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::Phase;
use k8s_openapi::api::events::v1::Event;
use kube::Api;
use serde_json::json;
use support::{Stage, eventually};

fn answer(status: &str, reason: &str) -> (String, String) {
    (status.to_owned(), reason.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_status_counts_names_the_last_error_and_moves_with_each_report() {
    let stage = Stage::open("status").await;
    let operator = stage.operator("operator");
    for name in ["dev-1", "dev-2", "dev-3"] {
        stage.announce(name, &[("region", "eu")]).await;
    }
    let v1 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_counts("web", [3, 0, 0, 3, 0]).await;
    stage.report("dev-1", "web", v1, Phase::Running).await;
    stage.report("dev-2", "web", v1, Phase::Failed).await;
    stage.wait_counts("web", [3, 1, 1, 1, 0]).await;
    let condition = |kind: &'static str| stage.condition("web", kind);
    assert_eq!(
        condition("Progressing").await,
        Some(answer("True", "DevicesFailed"))
    );
    stage.report("dev-3", "web", v1, Phase::Completed).await;
    stage.wait_counts("web", [3, 2, 1, 0, 0]).await;
    assert_eq!(
        condition("Stalled").await,
        Some(answer("True", "DevicesFailed"))
    );
    let status = stage.deployment("web").await.status.expect("a status");
    let error = status.aggregate.last_error.expect("a last error");
    assert_eq!(
        (
            error.device.as_str(),
            error.reason.as_str(),
            error.message.as_str()
        ),
        ("dev-2", "ImageNotFound", "no such image")
    );

    stage.report("dev-2", "web", v1, Phase::Running).await;
    stage.wait_counts("web", [3, 3, 0, 0, 0]).await;
    assert_eq!(
        condition("Ready").await,
        Some(answer("True", "AllSucceeded"))
    );
    let status = stage.deployment("web").await.status.expect("a status");
    assert_eq!(status.aggregate.last_error, None);

    let v2 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v2")
        .await;
    stage.wait_counts("web", [3, 0, 0, 3, 0]).await;
    stage.wait_runs("dev-1", &[("web", v2)]).await;
    let violations = stage.metric(&operator, "fleet_invariant_violations").await;
    assert_eq!(violations, Some(0.0));

    let events: Api<Event> = Api::namespaced(stage.client.clone(), "default");
    eventually("an Event", true, || async {
        let found = events.list(&kube::api::ListParams::default()).await;
        found.is_ok_and(|list| {
            let reasons = list.items.iter().filter_map(|e| e.reason.as_deref());
            reasons.into_iter().any(|r| r == "AllSucceeded")
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deletion_converges_while_devices_are_offline() {
    let stage = Stage::open("deletion").await;
    let _operator = stage.operator("operator");
    stage.announce("dev-1", &[("region", "eu")]).await;
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    let keep = stage
        .deploy("keep", &json!({"region": "eu"}), "keep:v1")
        .await;
    stage
        .wait_runs("dev-1", &[("web", web), ("keep", keep)])
        .await;
    eventually("the finalizer", true, || async {
        stage.deployment("web").await.metadata.finalizers.is_some()
    })
    .await;
    let before = stage.manifest("dev-1").await.expect("a manifest");

    stage.delete("web").await;
    eventually("the object is gone", true, || async {
        matches!(stage.deployments().get_opt("web").await, Ok(None))
    })
    .await;
    stage.wait_runs("dev-1", &[("keep", keep)]).await;
    let after = stage.manifest("dev-1").await.expect("a manifest");
    assert!(after.generation > before.generation);
    let keys: Vec<_> = stage.desired_keys().await.into_keys().collect();
    assert_eq!(keys, ["dev-1._manifest", "dev-1.default.keep"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_removes_orphans_and_rewrites_nothing_else() {
    let stage = Stage::open("restart").await;
    let operator = stage.operator("operator");
    stage.announce("dev-1", &[("region", "eu")]).await;
    stage.announce("dev-2", &[("region", "us")]).await;
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    let gone = stage
        .deploy("gone", &json!({"region": "us"}), "gone:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    stage.wait_runs("dev-2", &[("gone", gone)]).await;
    stage.report("dev-1", "web", web, Phase::Running).await;
    stage.wait_counts("web", [1, 1, 0, 0, 0]).await;
    let before = stage.desired_keys().await;

    // While nobody looks: an object goes past its finalizer, and keys appear that nobody asked for.
    operator.kill().await.expect("killed");
    let patch = json!({"metadata": {"finalizers": null}});
    let params = kube::api::PatchParams::default();
    stage
        .deployments()
        .patch("gone", &params, &kube::api::Patch::Merge(&patch))
        .await
        .expect("patched");
    stage.delete("gone").await;
    for key in [
        "dev-1.default.ghost",
        "ghost.default.web",
        "ghost._manifest",
    ] {
        stage.put(Bucket::DesiredState, key, b"{}".to_vec()).await;
    }
    stage.report("dev-1", "web", web, Phase::Failed).await;
    operator.start().expect("started");

    stage.wait_counts("web", [1, 0, 1, 0, 0]).await;
    stage.wait_runs("dev-2", &[]).await;
    let expected = ["dev-1._manifest", "dev-1.default.web", "dev-2._manifest"];
    eventually("keys", expected.map(String::from).to_vec(), || async {
        stage.desired_keys().await.into_keys().collect::<Vec<_>>()
    })
    .await;
    let after = stage.desired_keys().await;
    for key in ["dev-1._manifest", "dev-1.default.web"] {
        assert_eq!(before[key], after[key], "{key} was written again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_streams_are_rebuilt_from_the_objects_with_higher_generations() {
    let stage = Stage::open("wiped").await;
    let operator = stage.operator("operator");
    stage.announce("dev-1", &[("region", "eu")]).await;
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    let before = stage.manifest("dev-1").await.expect("a manifest");

    let nats = stage.bed.nats().expect("nats");
    nats.wipe().await.expect("wiped");
    nats.start().await.expect("started");
    eventually("the manifest is back", Some(true), || async {
        let after = stage.manifest("dev-1").await?;
        Some(after.generation > before.generation && after.deployments == before.deployments)
    })
    .await;
    stage.wait_runs("dev-1", &[("web", web)]).await;
    let health = operator.page("/healthz").await.expect("a page");
    assert!(
        health.starts_with("HTTP/1.0 200") || health.starts_with("HTTP/1.1 200"),
        "{health}"
    );
    stage.report("dev-1", "web", web, Phase::Running).await;
    stage.wait_counts("web", [1, 1, 0, 0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_devices_said_outlives_a_bus_that_hangs_and_comes_back_empty() {
    let stage = Stage::open("hung").await;
    // Nobody is to count as unreachable, however long all this takes.
    let operator = stage.operator_with("operator", &["--stale-after", "600"]);
    stage.announce("dev-1", &[("region", "eu")]).await;
    stage.announce("dev-2", &[("region", "eu")]).await;
    let web = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.report("dev-1", "web", web, Phase::Running).await;
    stage.wait_counts("web", [2, 1, 0, 1, 0]).await;

    // A node that is lost does not even close its connections: the watches fail before anybody can
    // tell what became of the streams.
    let nats = stage.bed.nats().expect("nats");
    nats.service().freeze().await.expect("frozen");
    eventually("the watch of reports fails", true, || async {
        let log = operator.log();
        let mut failures = log.lines().filter(|line| line.contains("watch failed"));
        failures.any(|line| line.contains("device-state"))
    })
    .await;
    nats.kill().await.expect("killed");
    nats.wipe().await.expect("wiped");
    nats.start().await.expect("started");

    // dev-1 is away and says nothing more. A later word of another device has been counted: had
    // dev-1's been forgotten, it would have been by now.
    stage.report("dev-2", "web", web, Phase::Failed).await;
    stage.wait_counts("web", [2, 1, 1, 0, 0]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_go_away_lose_no_change() {
    let stage = Stage::open("outage").await;
    let _operator = stage.operator("operator");
    stage.announce("dev-1", &[("region", "eu")]).await;
    let v1 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;

    let nats = stage.bed.nats().expect("nats");
    nats.stop().await.expect("stopped");
    let v2 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v2")
        .await;
    nats.start().await.expect("started");
    stage.wait_runs("dev-1", &[("web", v2)]).await;

    let server = stage.bed.api_server().expect("an API server");
    server.stop().await.expect("stopped");
    stage.report("dev-1", "web", v2, Phase::Running).await;
    server.start().await.expect("started");
    stage.wait_counts("web", [1, 1, 0, 0, 0]).await;
}
