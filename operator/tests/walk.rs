//! From CR to device and back, on real servers.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use fleet_contracts::payload::Phase;
use serde_json::json;
use support::{Stage, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_travels_to_its_devices_and_their_reports_into_its_status() {
    let stage = Stage::open("walk").await;
    let _operator = stage.operator("operator");
    stage.announce("dev-1", &[("region", "eu")]).await;
    stage.announce("dev-2", &[("region", "us")]).await;
    let v1 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;
    stage.wait_runs("dev-2", &[]).await;
    stage.wait_counts("web", [1, 0, 0, 1, 0]).await;

    stage.report("dev-1", "web", v1, Phase::Running).await;
    stage.wait_counts("web", [1, 1, 0, 0, 0]).await;
    eventually(
        "Ready",
        Some(("True".into(), "AllSucceeded".into())),
        || stage.condition("web", "Ready"),
    )
    .await;
    let status = stage.deployment("web").await.status.expect("a status");
    assert_eq!(status.observed_generation, Some(1));
}
