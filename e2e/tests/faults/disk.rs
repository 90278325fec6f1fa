//! Servers whose disk takes its time.

use std::time::{Duration, Instant};

use fleet_testbed::{Service, SlowDisk};

use crate::gate;
use crate::scene::{Held, Scene};
use crate::writes::Writes;

const DEVICES: usize = 40;
const DEPLOYMENTS: usize = 4;
/// Where a fan-out is half done.
const HALF: usize = DEVICES * (DEPLOYMENTS + 1) / 2;

/// From the middle of one fan-out on, through a whole second one; then the disk is well again.
async fn slow(scene: &Scene, server: &Service, delay: Duration, fault: &'static str) {
    let operator = scene.operator("operator");
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let mut converged = Vec::new();
    for seed in gate::seeds(1, 3) {
        let writes = Writes::count(&scene.bus).await;
        scene.deploy_all(DEPLOYMENTS, &format!("seed-{seed}")).await;
        writes.reach(scene, HALF).await;
        let disk = scene.bed.slow_disk(server, delay).await.expect("slow");
        let during = scene.converged(Instant::now(), &[&operator]).await;
        scene.deploy_all(DEPLOYMENTS, &format!("slow-{seed}")).await;
        let again = scene.converged(Instant::now(), &[&operator]).await;
        well_again(disk, seed).await;
        converged.extend([during, again]);
    }
    scene.held(&Held { fault, converged });
}

/// It has held calls, and holds no more.
async fn well_again(disk: SlowDisk, seed: u64) {
    let held = disk.held();
    assert!(held > 0, "the server waited for its disk");
    println!("seed {seed}: {held} calls held");
    disk.end().await.expect("ended");
}

fn possible(scenario: &str) -> bool {
    let possible = SlowDisk::is_possible();
    if !possible {
        gate::skipped(scenario, "strace is not installed, or may trace nothing");
    }
    possible
}

/// A fifth of a second for each group of writes: etcd itself warns from half of that on.
#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_with_a_slow_disk_delays_and_changes_nothing() {
    if !possible("an etcd with a slow disk") {
        return;
    }
    let scene = Scene::open("fault-etcd-disk", DEVICES).await;
    let etcd = scene.bed.etcd().expect("etcd").service();
    let delay = Duration::from_millis(200);
    slow(&scene, etcd, delay, "slow disk under etcd").await;
}

/// Fifty messages a second.
#[tokio::test(flavor = "multi_thread")]
async fn a_bus_with_a_slow_disk_delays_and_changes_nothing() {
    if !possible("a bus with a slow disk") {
        return;
    }
    let scene = Scene::open("fault-nats-disk", DEVICES).await;
    let nats = scene.bed.nats().expect("a bus").service();
    let delay = Duration::from_millis(20);
    slow(&scene, nats, delay, "slow disk under the bus").await;
}

/// Five messages a second: devices say again what nobody confirms, and there is more to store than can
/// be. Nobody has to keep up with that, but nothing may be lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_bus_whose_disk_all_but_stands_still_goes_on_once_it_is_well() {
    if !possible("a bus whose disk all but stands still") {
        return;
    }
    let scene = Scene::open("fault-nats-stuck", DEVICES).await;
    let operator = scene.operator("operator");
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let nats = scene.bed.nats().expect("a bus").service();
    let mut converged = Vec::new();
    for seed in gate::seeds(1, 3) {
        let delay = Duration::from_millis(200);
        let disk = scene.bed.slow_disk(nats, delay).await.expect("slow");
        let slow = Instant::now();
        scene.deploy_all(DEPLOYMENTS, &format!("seed-{seed}")).await;
        gate::sit_out(slow).await;
        well_again(disk, seed).await;
        converged.push(scene.converged(Instant::now(), &[&operator]).await);
    }
    scene.held(&Held {
        fault: "disk under the bus all but stands still",
        converged,
    });
}
