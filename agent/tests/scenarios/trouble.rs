//! What fails gets a reason, backs off, and recovers without help.

use fleet_contracts::DeviceReason;
use fleet_contracts::payload::Phase;
use fleet_testbed::Testbed;
use serde_json::json;

use crate::fleet::{Fleet, V1, V2, web};

#[tokio::test]
async fn a_bad_image_costs_no_downtime_and_recovers_when_it_appears() {
    let mut fleet = Fleet::with_agent("agent-image").await;
    let first = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", first).await;
    let before = fleet.container("shop.web.web").await;

    let missing = "localhost/fleet-agent/web:v3";
    let mut services = web(missing, 8080);
    services[0]["pullPolicy"] = json!("Never");
    let second = fleet.deploy("shop.web", services).await;
    let failed = fleet
        .until("shop.web", |s| {
            s.revision == second && s.phase == Phase::Failed
        })
        .await;
    assert_eq!(failed.reason, Some(DeviceReason::ImageNotFound));
    assert!(failed.message.contains(missing), "{}", failed.message);
    assert_eq!(fleet.container("shop.web.web").await, before);

    fleet.device.load_image(missing, "v3").await.expect("image");
    fleet.until_running("shop.web", second).await;
    fleet.until_page(8080, "v3").await;
}

#[tokio::test]
async fn an_unreachable_registry_is_named() {
    let mut fleet = Fleet::with_agent("agent-registry").await;
    let revision = fleet
        .deploy(
            "shop.web",
            json!([{"name": "web", "image": "127.0.0.1:9/none:v1"}]),
        )
        .await;
    let failed = fleet
        .until("shop.web", |s| {
            s.revision == revision && s.phase == Phase::Failed
        })
        .await;
    assert_eq!(
        failed.reason,
        Some(DeviceReason::RegistryUnreachable),
        "{failed:?}"
    );
}

#[tokio::test]
async fn a_crash_loop_is_counted_and_reported() {
    let mut fleet = Fleet::with_agent("agent-crash").await;
    let dies =
        json!([{"name": "dies", "image": V1, "command": ["/bin/busybox", "sh", "-c", "exit 3"]}]);
    fleet.deploy("shop.bad", dies).await;
    let state = fleet
        .until("shop.bad", |s| s.reason == Some(DeviceReason::CrashLoop))
        .await;
    assert_eq!(state.phase, Phase::Failed);
    assert!(state.services[0].restarts >= 2, "{state:?}");
    assert_eq!(state.services[0].exit_code, Some(3));
}

#[tokio::test]
async fn restart_policies_leave_what_ended() {
    let mut fleet = Fleet::with_agent("agent-policy").await;
    let ends = |policy: &str, code: u8| json!([{"name": "job", "image": V1, "restartPolicy": policy, "command": ["/bin/busybox", "sh", "-c", format!("exit {code}")]}]);
    fleet.deploy("shop.done", ends("OnFailure", 0)).await;
    fleet.deploy("shop.failed", ends("Never", 4)).await;
    fleet
        .until("shop.done", |s| s.phase == Phase::Completed)
        .await;
    let failed = fleet
        .until("shop.failed", |s| s.phase == Phase::Failed)
        .await;
    assert_eq!(
        (failed.reason, failed.services[0].exit_code),
        (Some(DeviceReason::Exited), Some(4))
    );
}

#[tokio::test]
async fn of_two_that_claim_a_port_the_older_wins_and_the_other_takes_over_later() {
    let mut fleet = Fleet::with_agent("agent-clash").await;
    let old = fleet.deploy("shop.old", web(V1, 8080)).await;
    let young = fleet.deploy("shop.young", web(V2, 8080)).await;
    fleet.until_running("shop.old", old).await;
    let clash = fleet
        .until("shop.young", |s| s.phase == Phase::Failed)
        .await;
    assert_eq!(clash.reason, Some(DeviceReason::PortClash));
    assert!(clash.message.contains("shop.old"), "{}", clash.message);
    fleet.until_page(8080, "v1").await;

    fleet.remove("shop.old").await;
    fleet.until_running("shop.young", young).await;
    fleet.until_page(8080, "v2").await;
}

#[tokio::test]
async fn a_service_counts_as_running_only_when_healthy_and_heals() {
    let mut fleet = Fleet::with_agent("agent-health").await;
    let mut services = web(V1, 8080);
    services[0]["healthcheck"] =
        json!({"http": {"port": 80, "path": "/missing"}, "intervalSeconds": 1, "retries": 2});
    let sick = fleet.deploy("shop.web", services.clone()).await;
    let state = fleet
        .until("shop.web", |s| {
            s.revision == sick && s.phase == Phase::Failed
        })
        .await;
    assert_eq!(state.reason, Some(DeviceReason::Unhealthy));
    assert!(state.message.contains("404"), "{}", state.message);
    let before = fleet.container("shop.web.web").await;

    services[0]["healthcheck"]["http"]["path"] = json!("/");
    let well = fleet.deploy("shop.web", services).await;
    fleet.until_running("shop.web", well).await;
    // A health check is the agent's own business: changing it restarts nothing.
    assert_eq!(fleet.container("shop.web.web").await, before);
}

#[tokio::test]
async fn podman_may_go_away_and_come_back() {
    let mut fleet = Fleet::with_agent("agent-podman").await;
    let first = fleet.deploy("shop.web", web(V1, 8080)).await;
    fleet.until_running("shop.web", first).await;
    fleet.device.stop_podman().await.expect("stops");
    let second = fleet.deploy("shop.web", web(V2, 8080)).await;
    let away = fleet
        .until("shop.web", |s| {
            s.revision == second && s.phase == Phase::Failed
        })
        .await;
    assert_eq!(away.reason, Some(DeviceReason::PodmanUnavailable));
    fleet.device.start_podman().await.expect("starts");
    fleet.until_running("shop.web", second).await;
    fleet.until_page(8080, "v2").await;
}

#[tokio::test]
async fn a_full_disk_is_named_and_the_image_comes_once_there_is_room() {
    let mut fleet = Fleet::on(Testbed::builder("agent-disk").registry()).await;
    let device = fleet.device.clone();
    let registry = fleet.bed.registry().expect("registry").address();
    let remote = format!("{registry}/web:v1");
    device
        .podman_ok(["push", V1, &remote])
        .await
        .expect("pushed");
    device
        .podman_ok(["rmi", "--all", "--force"])
        .await
        .expect("emptied");
    if let Err(error) = device.fill_disk() {
        println!("skipped: a full disk under the agent: {error}");
        return;
    }
    device.start_agent().await.expect("agent");
    let revision = fleet.deploy("shop.web", web(&remote, 8080)).await;
    let failed = fleet.until("shop.web", |s| s.phase == Phase::Failed).await;
    assert_eq!(failed.reason, Some(DeviceReason::NoSpace), "{failed:?}");

    device.free_disk().expect("freed");
    fleet.until_running("shop.web", revision).await;
    fleet.until_page(8080, "v1").await;
}

#[tokio::test]
async fn streams_lost_behind_a_standing_connection_are_told_everything_again() {
    let mut fleet = Fleet::with_agent("agent-streams").await;
    let web = fleet.deploy("shop.web", web(V1, 8080)).await;
    let other = fleet
        .deploy("shop.other", json!([{"name": "o", "image": V1}]))
        .await;
    fleet.until_running("shop.web", web).await;
    fleet.until_running("shop.other", other).await;
    let before = fleet.container("shop.web.web").await;

    fleet.lose_streams().await;
    fleet.until_running("shop.web", web).await;
    fleet.until_running("shop.other", other).await;
    let introduced = || fleet.introduced();
    fleet.until_true("introduced again", introduced).await;
    assert_eq!(fleet.container("shop.web.web").await, before);
    let log = fleet.device.agent_log();
    assert!(
        !log.contains("disconnected"),
        "the connection was to stand:\n{log}"
    );
}
