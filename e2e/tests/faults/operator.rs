//! The operator is killed while a change goes out.

use std::time::Instant;

use fleet_testbed::Operator;

use crate::gate;
use crate::scene::{EVERYBODY, Held, Scene, app};
use crate::writes::Writes;

const DEVICES: usize = 60;
const DEPLOYMENTS: usize = 6;
/// An entry for each pair, and a manifest for each device.
const WRITES: usize = DEVICES * DEPLOYMENTS + DEVICES;

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_killed_anywhere_in_a_fan_out_loses_and_invents_nothing() {
    let scene = Scene::open("fault-kill", DEVICES).await;
    let operator = scene.operator("operator");
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let mut converged = Vec::new();
    for seed in gate::seeds(3, 100) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let point = dice.usize(0..=WRITES);
        let started = kill_at(&scene, &operator, seed, point, &mut dice).await;
        let took = scene.converged(started, &[&operator]).await;
        println!("seed {seed}: killed after {point} of {WRITES} writes; {took:.1?}");
        converged.push(took);
    }
    scene.held(&Held {
        fault: "operator killed in a fan-out",
        converged,
    });
}

/// Everything changes, and after so many writes the operator is killed; more changes before it is
/// started again. When that was.
async fn kill_at(
    scene: &Scene,
    operator: &Operator,
    seed: u64,
    point: usize,
    dice: &mut fastrand::Rng,
) -> Instant {
    let writes = Writes::count(&scene.bus).await;
    scene.deploy_all(DEPLOYMENTS, &format!("seed-{seed}")).await;
    writes.reach(scene, point).await;
    operator.kill().await.expect("killed");
    // One more change, one that goes and one that comes while nobody looks.
    let late = app(dice.usize(0..DEPLOYMENTS));
    let image = format!("app:late-{seed}");
    scene.deploy(&late, EVERYBODY, &image).await;
    let ring = format!("r{}", dice.u8(0..4));
    let extra = format!("extra-{seed}");
    scene.deploy(&extra, ("ring", &ring), "extra:v1").await;
    if seed > 1 {
        let last = format!("extra-{}", seed - 1);
        if scene
            .deployments()
            .get_opt(&last)
            .await
            .expect("asked")
            .is_some()
        {
            scene.delete(&last).await;
        }
    }
    operator.start().expect("started");
    Instant::now()
}
