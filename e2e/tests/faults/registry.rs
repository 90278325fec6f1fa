//! The registry: away, slow, serving something else than it was asked for.

use std::fs;
use std::path::PathBuf;

use fleet_e2e::workload;
use fleet_testbed::Testbed;

use crate::fleet::Fleet;

/// One device that shows `v1` out of the registry, which also holds `v2`; its name there.
async fn fleet(name: &str) -> (Fleet, String) {
    let fleet = Fleet::empty(Testbed::builder(name).registry(), &["dev-1"]).await;
    let device = fleet.device("dev-1");
    let address = fleet.scene.bed.registry().expect("a registry").address();
    let base = format!("{address}/web");
    for version in ["v1", "v2"] {
        let image = workload::image(version);
        device.load_image(&image, version).await.expect("loaded");
        let remote = format!("{base}:{version}");
        device
            .podman_ok(["push", &image, &remote])
            .await
            .expect("pushed");
    }
    let emptied = device.podman_ok(["rmi", "--all", "--force"]).await;
    emptied.expect("emptied");
    device.start_agent().await.expect("started");
    let score = Fleet::score(&format!("{base}:v1"), "IfNotPresent");
    fleet.ask_score(score).await;
    fleet.shows("dev-1", "v1").await;
    (fleet, base)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_away_is_named_and_costs_no_downtime() {
    let (fleet, base) = fleet("fault-registry").await;
    let registry = fleet.scene.bed.registry().expect("a registry");
    registry.stop().await.expect("stopped");
    let score = Fleet::score(&format!("{base}:v2"), "IfNotPresent");
    fleet.ask_score(score).await;
    fleet.failed_for("RegistryUnreachable").await;
    assert!(fleet.shows_now("dev-1", "v1").await, "the page stays");
    registry.start().await.expect("started");
    let took = fleet.shows("dev-1", "v2").await;
    fleet.counts([1, 1, 0, 0]).await;
    fleet.held("registry away", vec![took]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_answers_late_costs_no_downtime() {
    let (fleet, base) = fleet("fault-slow").await;
    let registry = fleet.scene.bed.registry().expect("a registry");
    registry.service().freeze().await.expect("frozen");
    let score = Fleet::score(&format!("{base}:v2"), "IfNotPresent");
    fleet.ask_score(score).await;
    // Known to the device, and it waits for the image.
    fleet.counts([1, 0, 0, 1]).await;
    crate::link::pass(crate::gate::outage()).await;
    assert!(fleet.shows_now("dev-1", "v1").await, "the page stays");
    registry.service().thaw().expect("thawed");
    let took = fleet.shows("dev-1", "v2").await;
    fleet.counts([1, 1, 0, 0]).await;
    fleet.held("registry slow", vec![took]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_another_digest_than_asked_for_is_not_run() {
    let (fleet, base) = fleet("fault-digest").await;
    let (one, two) = (digest(&fleet, "v1"), digest(&fleet, "v2"));
    // Under the name of the second lies the first.
    let (good, other) = (blob(&fleet, &two), blob(&fleet, &one));
    let bytes = fs::read(&good).expect("read");
    fs::copy(other, &good).expect("written");
    let score = Fleet::score(&format!("{base}@{two}"), "IfNotPresent");
    fleet.ask_score(score).await;
    fleet.failed_for("PullFailed").await;
    assert!(fleet.shows_now("dev-1", "v1").await, "the page stays");

    fs::write(&good, bytes).expect("written");
    let took = fleet.shows("dev-1", "v2").await;
    fleet.counts([1, 1, 0, 0]).await;
    fleet.held("registry serves another digest", vec![took]);
}

fn data(fleet: &Fleet) -> PathBuf {
    let folder = fleet.scene.bed.folder();
    folder.join("registry/data/docker/registry/v2")
}

/// `sha256:...` of a tag.
fn digest(fleet: &Fleet, tag: &str) -> String {
    let link = format!("repositories/web/_manifests/tags/{tag}/current/link");
    fs::read_to_string(data(fleet).join(link)).expect("a tag")
}

/// Where the registry keeps the manifest.
fn blob(fleet: &Fleet, digest: &str) -> PathBuf {
    let hash = digest.trim_start_matches("sha256:");
    let (start, path) = (&hash[..2], data(fleet).join("blobs/sha256"));
    path.join(start).join(hash).join("data")
}
