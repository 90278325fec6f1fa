//! podman on a device: killed, hung, its store spoilt.

use std::fs;

use fleet_e2e::workload;
use fleet_testbed::Testbed;

use crate::fleet::Fleet;

/// What a device says while podman does not answer.
const AWAY: &str = "PodmanUnavailable";

#[tokio::test(flavor = "multi_thread")]
async fn a_podman_that_is_killed_takes_no_container_with_it() {
    let fleet = Fleet::start(Testbed::builder("fault-podman"), &["dev-1"]).await;
    let device = fleet.device("dev-1");
    let before = fleet.running("dev-1").await;
    let process = device.podman_service().pid();
    device.kill_podman().await.expect("killed");
    assert_ne!(device.podman_service().pid(), process);
    fleet.ask("v2").await;
    fleet.failed_for(AWAY).await;
    fleet.counts([1, 0, 1, 0]).await;
    assert!(fleet.shows_now("dev-1", "v1").await, "the page stays");

    device.start_podman().await.expect("started");
    let took = fleet.shows("dev-1", "v2").await;
    assert_eq!(before.len(), fleet.running("dev-1").await.len());
    fleet.counts([1, 1, 0, 0]).await;
    fleet.held("podman killed", vec![took]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_podman_that_hangs_is_named_and_waited_for() {
    let fleet = Fleet::start(Testbed::builder("fault-hung"), &["dev-1"]).await;
    let device = fleet.device("dev-1");
    device.freeze_podman().await.expect("frozen");
    fleet.ask("v2").await;
    fleet.failed_for(AWAY).await;
    assert!(fleet.shows_now("dev-1", "v1").await, "the page stays");
    assert!(device.agent().pid().is_some(), "the agent lives");

    device.thaw_podman().expect("thawed");
    let took = fleet.shows("dev-1", "v2").await;
    fleet.counts([1, 1, 0, 0]).await;
    fleet.held("podman hung", vec![took]);
}

/// The list of images is cut in the middle, as by a disk that failed: podman reads nothing of its store.
#[tokio::test(flavor = "multi_thread")]
async fn a_spoilt_store_is_named_and_what_runs_goes_on() {
    let fleet = Fleet::start(Testbed::builder("fault-store"), &["dev-1"]).await;
    let device = fleet.device("dev-1");
    let list = device.folder().join("store/overlay-images/images.json");
    let good = fs::read(&list).expect("read");
    device.stop_podman().await.expect("stopped");
    fs::write(&list, &good[..good.len() / 2]).expect("written");
    device.start_podman().await.expect("started");
    fleet.ask("v2").await;
    // podman leaves aside what it cannot read, and so knows no image.
    fleet.failed_for("ImageNotFound").await;
    assert!(fleet.shows_now("dev-1", "v1").await, "the page stays");

    device.stop_podman().await.expect("stopped");
    fs::write(&list, &good).expect("written");
    device.start_podman().await.expect("started");
    let image = workload::image("v2");
    device.load_image(&image, "v2").await.expect("loaded");
    let took = fleet.shows("dev-1", "v2").await;
    fleet.counts([1, 1, 0, 0]).await;
    fleet.held("podman's store spoilt", vec![took]);
}
