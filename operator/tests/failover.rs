//! Two replicas, one Lease.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use serde_json::json;
use support::{Stage, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_from_one_that_stops_one_that_dies_and_one_that_hangs() {
    let stage = Stage::open("failover").await;
    let first = stage.operator("first");
    stage.wait_leader(&first).await;
    let second = stage.operator("second");
    eventually("the standby is ready", true, || async {
        let page = second.page("/readyz").await;
        page.is_some_and(|page| page.contains("200 OK"))
    })
    .await;
    assert_eq!(
        stage.metric(&second, "fleet_operator_leader").await,
        Some(0.0)
    );
    stage.announce("dev-1", &[("region", "eu")]).await;
    let v1 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;
    let before = stage.desired_keys().await;

    first.stop().await.expect("stopped");
    stage.wait_leader(&second).await;
    assert!(second.log().contains("acquired deployment"));
    assert_eq!(
        stage.desired_keys().await,
        before,
        "nothing is written again"
    );
    let v2 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v2")
        .await;
    stage.wait_runs("dev-1", &[("web", v2)]).await;

    first.start().expect("started");
    second.kill().await.expect("killed");
    let v3 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v3")
        .await;
    stage.wait_leader(&first).await;
    stage.wait_runs("dev-1", &[("web", v3)]).await;

    second.start().expect("started");
    first.freeze().await.expect("frozen");
    let v4 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v4")
        .await;
    stage.wait_runs("dev-1", &[("web", v4)]).await;
    first.thaw().expect("thawed");
    eventually("the deposed leader stands by", Some(0.0), || {
        stage.metric(&first, "fleet_operator_leader")
    })
    .await;
    let v5 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v5")
        .await;
    stage.wait_runs("dev-1", &[("web", v5)]).await;
    stage.wait_leader(&second).await;
}
