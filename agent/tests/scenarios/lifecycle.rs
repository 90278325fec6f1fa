//! From nothing to running, upgraded, adopted, rebooted, removed.

use serde_json::json;

use crate::fleet::{Fleet, V1, V2, web};

#[tokio::test]
async fn a_deployment_runs_is_upgraded_and_goes() {
    let mut fleet = Fleet::with_agent("agent-life").await;
    let first = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", first).await;
    fleet.until_page(8080, "v1").await;
    let before = fleet.container("shop.web.web").await.expect("runs");

    let second = fleet.deploy("shop.web", web(V2, 8080)).await;
    fleet.until_running("shop.web", second).await;
    fleet.until_page(8080, "v2").await;
    assert_ne!(fleet.container("shop.web.web").await, Some(before));

    fleet.remove("shop.web").await;
    fleet
        .until_true("state deleted", || async {
            fleet.state("shop.web").await.is_none()
        })
        .await;
    assert_eq!(fleet.container("shop.web.web").await, None);
}

#[tokio::test]
async fn a_body_that_comes_along_with_its_manifest_runs_without_a_question() {
    let mut fleet = Fleet::with_agent("agent-brought").await;
    // Nowhere else: an agent that asks is told that there is none.
    let revision = fleet.bring("shop.web", web(V1, 8080), web(V1, 8080)).await;
    fleet.until_running("shop.web", revision).await;
    fleet.until_page(8080, "v1").await;
}

#[tokio::test]
async fn a_container_outlives_its_agent_and_is_adopted() {
    let mut fleet = Fleet::with_agent("agent-adopt").await;
    let revision = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", revision).await;
    let before = fleet.container("shop.web.web").await.expect("runs");

    let began = std::time::Instant::now();
    fleet.device.stop_agent().await.expect("stops");
    assert!(
        began.elapsed().as_secs() < 5,
        "SIGTERM took {:?}",
        began.elapsed()
    );
    assert_eq!(
        fleet.container("shop.web.web").await.as_ref(),
        Some(&before)
    );

    fleet.device.start_agent().await.expect("starts");
    // A change elsewhere proves that the agent is at work; the first container is left alone.
    let other = fleet
        .deploy("shop.other", json!([{"name": "o", "image": V1}]))
        .await;
    fleet.until_running("shop.other", other).await;
    assert_eq!(fleet.container("shop.web.web").await, Some(before));
}

#[tokio::test]
async fn an_unchanged_service_of_a_changed_deployment_is_left_alone() {
    let mut fleet = Fleet::with_agent("agent-part").await;
    let services = |image: &str| json!([{"name": "a", "image": V1}, {"name": "b", "image": image, "stopTimeoutSeconds": 0}]);
    let first = fleet.deploy("shop.two", services(V1)).await;
    fleet.until_running("shop.two", first).await;
    let (a, b) = (
        fleet.container("shop.two.a").await,
        fleet.container("shop.two.b").await,
    );

    let second = fleet.deploy("shop.two", services(V2)).await;
    fleet.until_running("shop.two", second).await;
    assert_eq!(fleet.container("shop.two.a").await, a);
    assert_ne!(fleet.container("shop.two.b").await, b);

    // By what the operator calls it, each change is found in the device's log.
    let log = fleet.device.agent_log();
    for revision in [first, second] {
        let revision = revision.short();
        let change = |line: &&str| line.contains("shop.two") && line.contains(&revision);
        let lines: Vec<_> = log.lines().filter(change).collect();
        let says = |what: &str| lines.iter().any(|line| line.contains(what));
        assert!(says("started") && says("applied"), "{lines:#?}");
    }
}

#[tokio::test]
async fn after_a_power_cut_without_a_bus_the_ledger_brings_everything_back() {
    let mut fleet = Fleet::with_agent("agent-power").await;
    let revision = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", revision).await;
    let nats = fleet.bed.nats().expect("nats");
    nats.stop().await.expect("stops");

    fleet.device.reboot().await.expect("reboots");
    fleet.until_page(8080, "v1").await;

    nats.start().await.expect("starts");
    fleet
        .until_true("connected", || async {
            fleet.device.agent_log().contains("connected to the bus")
        })
        .await;
}

#[tokio::test]
async fn what_is_stopped_removed_or_frozen_by_hand_comes_back() {
    let mut fleet = Fleet::with_agent("agent-drift").await;
    let revision = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", revision).await;
    let original = fleet.container("shop.web.web").await;

    fleet
        .device
        .podman_ok(["stop", "-t", "0", "shop.web.web"])
        .await
        .expect("stopped");
    fleet
        .until_true("started again", || async {
            fleet.container("shop.web.web").await == original
        })
        .await;

    fleet
        .device
        .podman_ok(["rename", "shop.web.web", "mine"])
        .await
        .expect("renamed");
    fleet
        .until_true("recreated under its name", || async {
            let now = fleet.container("shop.web.web").await;
            now.is_some_and(|c| c.starts_with("running")) && fleet.container("mine").await.is_none()
        })
        .await;

    fleet
        .device
        .podman_ok(["rm", "-f", "-t", "0", "shop.web.web"])
        .await
        .expect("removed");
    fleet.until_page(8080, "v1").await;
}

#[tokio::test]
async fn a_service_waits_for_those_it_depends_on_to_be_healthy() {
    let mut fleet = Fleet::with_agent("agent-deps").await;
    let check = json!({"command": ["/bin/busybox", "test", "-e", "/tmp/ready"], "intervalSeconds": 1, "retries": 100});
    let revision = fleet
        .deploy(
            "shop.app",
            json!([
                {"name": "front", "image": V1, "dependsOn": ["db"], "stopTimeoutSeconds": 0},
                {"name": "db", "image": V1, "healthcheck": check, "stopTimeoutSeconds": 0},
            ]),
        )
        .await;
    fleet
        .until_true("db up", || async {
            fleet
                .container("shop.app.db")
                .await
                .is_some_and(|c| c.starts_with("running"))
        })
        .await;
    fleet
        .until("shop.app", |s| {
            s.services.len() == 2 && s.services[0].container.is_some()
        })
        .await;
    assert_eq!(fleet.container("shop.app.front").await, None);

    let touch = ["exec", "shop.app.db", "/bin/busybox", "touch", "/tmp/ready"];
    fleet.device.podman_ok(touch).await.expect("touched");
    let state = fleet.until_running("shop.app", revision).await;
    let order: Vec<_> = state.services.iter().map(|s| s.name.as_str()).collect();
    assert_eq!(order, ["db", "front"]);
}
