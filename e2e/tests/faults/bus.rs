//! The bus loses everything, or hangs, while a change goes out.

use std::time::Instant;

use crate::gate;
use crate::scene::{Held, Scene};
use crate::writes::Writes;

const DEVICES: usize = 60;
const DEPLOYMENTS: usize = 6;
const WRITES: usize = DEVICES * DEPLOYMENTS + DEVICES;

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_comes_back_empty_in_a_fan_out_is_filled_again() {
    let scene = Scene::open("fault-wipe", DEVICES).await;
    let operator = scene.operator("operator");
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let nats = scene.bed.nats().expect("a bus");
    let mut converged = Vec::new();
    for seed in gate::seeds(2, 20) {
        let point = fastrand::Rng::with_seed(seed).usize(0..=WRITES);
        let writes = Writes::count(&scene.bus).await;
        scene.deploy_all(DEPLOYMENTS, &format!("seed-{seed}")).await;
        writes.reach(&scene, point).await;
        nats.kill().await.expect("killed");
        nats.wipe().await.expect("wiped");
        nats.start().await.expect("started");
        let took = scene.converged(Instant::now(), &[&operator]).await;
        println!("seed {seed}: wiped after {point} of {WRITES} writes; {took:.1?}");
        converged.push(took);
    }
    scene.held(&Held {
        fault: "bus wiped in a fan-out",
        converged,
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_that_hangs_in_a_fan_out_delays_and_changes_nothing() {
    let scene = Scene::open("fault-hang", DEVICES).await;
    let operator = scene.operator("operator");
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let nats = scene.bed.nats().expect("a bus");
    let mut converged = Vec::new();
    for seed in gate::seeds(1, 3) {
        let point = fastrand::Rng::with_seed(seed).usize(0..=WRITES);
        let writes = Writes::count(&scene.bus).await;
        scene.deploy_all(DEPLOYMENTS, &format!("seed-{seed}")).await;
        writes.reach(&scene, point).await;
        nats.service().freeze().await.expect("frozen");
        let frozen = Instant::now();
        // The newest word counts, whatever was under way.
        scene.deploy_all(DEPLOYMENTS, &format!("late-{seed}")).await;
        gate::sit_out(frozen).await;
        nats.service().thaw().expect("thawed");
        converged.push(scene.converged(Instant::now(), &[&operator]).await);
    }
    scene.held(&Held {
        fault: "bus hangs in a fan-out",
        converged,
    });
}
