//! From CR to device and back, on real servers.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use fleet_contracts::payload::Phase;
use fleet_testbed::{OperatorRights, Testbed};
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

/// Kubernetes before 1.32, and those who switched it off.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_streams_no_lists_is_asked_for_pages() {
    let builder = Testbed::builder("pages").without_streamed_lists();
    let stage = Stage::open_with(builder, &OperatorRights::default()).await;
    stage.announce("dev-1", &[("region", "eu")]).await;
    let operator = stage.operator("operator");
    let v1 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;
    stage.wait_counts("web", [1, 0, 0, 1, 0]).await;

    // What is there is listed, and what comes after it is heard.
    operator.kill().await.expect("gone");
    stage.delete("web").await;
    let other = stage
        .deploy("other", &json!({"region": "eu"}), "web:v1")
        .await;
    let _operator = stage.operator("operator");
    stage.wait_runs("dev-1", &[("other", other)]).await;
    let v2 = stage
        .deploy("other", &json!({"region": "eu"}), "web:v2")
        .await;
    stage.wait_runs("dev-1", &[("other", v2)]).await;
}
