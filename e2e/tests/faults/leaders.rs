//! Two replicas, and both believe that they lead.

use std::collections::BTreeMap;
use std::time::Instant;

use fleet_e2e::http;
use fleet_testbed::{Operator, wait};
use kube::api::{Patch, PatchParams};
use serde_json::json;

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

/// Where each manifest lies in the stream: each write gives it another place.
async fn manifests(scene: &Scene) -> BTreeMap<String, u64> {
    let stored = Stored::read(&scene.bus).await.expect("read");
    let mut places = stored.sequences;
    places.retain(|key, _| key.ends_with("._manifest"));
    places
}

/// The leader hangs in the middle of a fan-out, loses the Lease, and goes on as if nothing had been: no
/// manifest that it still had to write lands over one of the other's. Bodies may, for a moment: no device
/// takes one whose hash is not in its manifest, and the one who leads writes its own again.
#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_wakes_after_its_lease_was_taken_overwrites_no_manifest() {
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
        leader.freeze().await.expect("frozen");
        let frozen = Instant::now();
        let image = format!("app:late-{seed}");
        scene.deploy(&app(0), EVERYBODY, &image).await;
        converged.push(scene.converged(frozen, &[standby]).await);
        let taken = wait::until(PATIENCE, || leads(standby));
        assert!(taken.await, "the standby leads");
        let before = manifests(&scene).await;

        leader.thaw().expect("thawed");
        let woken = Instant::now();
        let stood_down = || async { !leads(leader).await };
        assert!(wait::until(PATIENCE, stood_down).await, "it stands by");
        converged.push(scene.converged(woken, &[leader, standby]).await);
        let after = manifests(&scene).await;
        assert_eq!(after, before, "seed {seed}: the deposed leader wrote");
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

/// What a leader that was deposed in the middle of a patch may leave behind: nobody tells the new one, and
/// nothing changes that would make it look.
#[tokio::test(flavor = "multi_thread")]
async fn a_status_that_another_wrote_is_written_again() {
    let scene = Scene::open("fault-status", DEVICES).await;
    let operator = scene.operator("operator");
    scene.deploy_all(1, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let old = json!({"status": {"aggregate": {
        "matchedDeviceCount": DEVICES, "succeeded": 0, "failed": 0, "pending": DEVICES,
    }}});
    let (api, params) = (scene.deployments(), PatchParams::default());
    let written = api
        .patch_status(&app(0), &params, &Patch::Merge(&old))
        .await;
    let counts = written.expect("written").status.expect("one").aggregate;
    assert_eq!((counts.succeeded, counts.pending), (0, 60), "it is old now");
    let converged = scene.converged(Instant::now(), &[&operator]).await;
    scene.held(&Held {
        fault: "an old status written over the new one",
        converged: vec![converged],
    });
}
