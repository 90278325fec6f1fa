//! Two replicas, one Lease.
#![allow(clippy::expect_used, reason = "test code")]

mod support;

use std::net::SocketAddr;

use fleet_testbed::OperatorOptions;
use serde_json::json;
use support::wire::Wire;
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

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_loses_the_bus_leaves_the_lease_to_a_standby_that_has_it() {
    let stage = Stage::open("failover-bus").await;
    let nats = stage.bed.nats().expect("nats").address();
    let wires = [Wire::to(nats).await, Wire::to(nats).await];
    let replica = |name: &str, wire: &Wire| {
        let options = OperatorOptions::replica(name).args(["--lease-duration", "3"]);
        let options = options.nats_url(wire.url());
        stage.bed.start_operator(options).expect("started")
    };
    let first = replica("first", &wires[0]);
    stage.wait_leader(&first).await;
    let second = replica("second", &wires[1]);
    eventually("the standby is ready", true, || async {
        let page = second.page("/readyz").await;
        page.is_some_and(|page| page.contains("200 OK"))
    })
    .await;
    stage.announce("dev-1", &[("region", "eu")]).await;
    let v1 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;

    wires[0].cut();
    stage.wait_leader(&second).await;
    let v2 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v2")
        .await;
    stage.wait_runs("dev-1", &[("web", v2)]).await;
    assert!(first.log().contains("giving the lease up"));

    // With nobody to take it over the Lease stays where it is.
    wires[1].cut();
    eventually(
        "that it cannot do the work is on the Lease",
        true,
        || async {
            let lease = stage.lease().await;
            let annotations = lease.metadata.annotations.unwrap_or_default();
            annotations.contains_key("fleet.nationtech.io/holder-unable")
        },
    )
    .await;
    wires[0].mend();
    stage.wait_leader(&first).await;
    let v3 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v3")
        .await;
    stage.wait_runs("dev-1", &[("web", v3)]).await;
    let annotations = stage.lease().await.metadata.annotations;
    assert_eq!(annotations.unwrap_or_default(), [].into());
}

/// The kernel says nothing on a connection that carries nothing, so only who asks finds out.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_whose_connections_fall_silent_is_heard_again_within_a_minute() {
    let stage = Stage::open("silent").await;
    let wire = Wire::to(api_server(&stage)).await;
    let kubeconfig = stage.bed.folder().join("through-the-wire.kubeconfig");
    let direct = stage.bed.api_server().expect("an API server");
    let text = std::fs::read_to_string(direct.operator_kubeconfig()).expect("a kubeconfig");
    let through = text.replace(&api_server(&stage).to_string(), &wire.address().to_string());
    assert_ne!(text, through);
    std::fs::write(&kubeconfig, through).expect("written");
    let options = OperatorOptions::replica("first").args(["--lease-duration", "3"]);
    let options = options.env("KUBECONFIG", kubeconfig.display().to_string());
    let operator = stage.bed.start_operator(options).expect("started");
    stage.wait_leader(&operator).await;
    stage.announce("dev-1", &[("region", "eu")]).await;
    let v1 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v1")
        .await;
    stage.wait_runs("dev-1", &[("web", v1)]).await;

    wire.forget_connections();
    let v2 = stage
        .deploy("web", &json!({"region": "eu"}), "web:v2")
        .await;
    stage.wait_runs("dev-1", &[("web", v2)]).await;
}

fn api_server(stage: &Stage) -> SocketAddr {
    let url = stage.bed.api_server().expect("an API server").url();
    let address = url.strip_prefix("https://").expect("an address");
    address.parse().expect("an address")
}
