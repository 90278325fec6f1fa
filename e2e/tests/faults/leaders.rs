//! Two replicas, and both believe that they lead.

use std::time::Instant;

use fleet_e2e::http;
use fleet_testbed::{Operator, wait};

use crate::gate;
use crate::scene::{EVERYBODY, Held, PATIENCE, Scene, app};
use crate::truth::Stored;
use crate::writes::Writes;

const DEVICES: usize = 60;
const DEPLOYMENTS: usize = 6;
const WRITES: usize = DEVICES * DEPLOYMENTS + DEVICES;

async fn leads(operator: &Operator) -> bool {
    let page = http::text(operator.metrics_addr(), "/metrics").await;
    page.is_some_and(|page| page.lines().any(|line| line == "fleet_operator_leader 1"))
}

/// The leader hangs in the middle of a fan-out, loses the Lease, and goes on as if nothing had been:
/// what it still had to write must not land over what the other one wrote.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_wakes_after_its_lease_was_taken_overwrites_nothing() {
    let scene = Scene::open("fault-leaders", DEVICES).await;
    let mut replicas = [scene.operator("first"), scene.operator("second")];
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    let [first, second] = &replicas;
    scene.converged(Instant::now(), &[first, second]).await;
    if leads(second).await {
        replicas.reverse();
    }
    let mut converged = Vec::new();
    for seed in gate::seeds(2, 20) {
        let [leader, standby] = &replicas;
        let mut dice = fastrand::Rng::with_seed(seed);
        let point = dice.usize(0..=WRITES);
        let writes = Writes::count(&scene.bus).await;
        scene.deploy_all(DEPLOYMENTS, &format!("seed-{seed}")).await;
        writes.reach(&scene, point).await;
        leader.freeze().expect("frozen");
        let frozen = Instant::now();
        let image = format!("app:late-{seed}");
        scene.deploy(&app(0), EVERYBODY, &image).await;
        converged.push(scene.converged(frozen, &[standby]).await);
        let taken = wait::until(PATIENCE, || leads(standby));
        assert!(taken.await, "the standby leads");
        let before = Stored::read(&scene.bus).await.expect("read");

        leader.thaw().expect("thawed");
        let stood_down = || async { !leads(leader).await };
        assert!(wait::until(PATIENCE, stood_down).await, "it stands by");
        assert_eq!(
            Stored::read(&scene.bus).await.expect("read"),
            before,
            "seed {seed}: the deposed leader wrote"
        );
        // Nor later, when its queues had time to drain: one more change goes out once.
        let image = format!("app:after-{seed}");
        scene.deploy(&app(1), EVERYBODY, &image).await;
        scene.converged(Instant::now(), &[leader, standby]).await;
        replicas.reverse();
    }
    scene.held(&Held {
        fault: "two leaders at once",
        converged,
    });
}
