//! A bus of three servers: its leader dies, and then the majority.

use std::time::{Duration, Instant};

use fleet_bus::StreamSettings;
use fleet_contracts::kv::Bucket;
use fleet_testbed::{Testbed, wait};

use crate::gate;
use crate::scene::{Held, PATIENCE, Scene};
use crate::writes::Writes;

const SERVERS: usize = 3;
const DEVICES: usize = 40;
const DEPLOYMENTS: usize = 4;
const WRITES: usize = DEVICES * DEPLOYMENTS + DEVICES;

async fn scene(name: &str) -> Scene {
    let builder = Testbed::builder(name).nats_cluster(SERVERS);
    let streams = StreamSettings {
        replicas: SERVERS,
        ..StreamSettings::default()
    };
    Box::pin(Scene::open_on(builder, DEVICES, streams)).await
}

/// The number of the server that leads the stream of desired state.
async fn leader(scene: &Scene) -> Option<usize> {
    let stream = Bucket::DesiredState.stream();
    let stream = scene.bus.context().get_stream(stream).await.ok()?;
    let name = stream.cached_info().cluster.as_ref()?.leader.clone()?;
    scene.bed.nats().ok()?.server_named(&name)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_whose_leader_dies_in_a_fan_out_goes_on_with_two() {
    let scene = scene("fault-bus-leader").await;
    let operator = scene.operator_with("operator", &["--stream-replicas", "3"]);
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let nats = scene.bed.nats().expect("a bus");
    let mut converged = Vec::new();
    for seed in gate::seeds(1, 6) {
        let point = fastrand::Rng::with_seed(seed).usize(0..=WRITES);
        let writes = Writes::count(&scene.bus).await;
        scene.deploy_all(DEPLOYMENTS, &format!("seed-{seed}")).await;
        writes.reach(&scene, point).await;
        let leader = leader(&scene).await.expect("a leader");
        nats.kill_server(leader).await.expect("killed");
        converged.push(scene.converged(Instant::now(), &[&operator]).await);
        nats.start_server(leader).await.expect("started");
        all_current(&scene).await;
    }
    scene.held(&Held {
        fault: "leader of the bus killed in a fan-out",
        converged,
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bus_without_a_quorum_takes_nothing_and_goes_on_when_it_has_one() {
    let scene = scene("fault-quorum").await;
    let operator = scene.operator_with("operator", &["--stream-replicas", "3"]);
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let nats = scene.bed.nats().expect("a bus");
    for server in [1, 2] {
        nats.kill_server(server).await.expect("killed");
    }
    let lost = Instant::now();
    scene.deploy_all(DEPLOYMENTS, "v1").await;
    let over = || async { lost.elapsed() >= gate::outage() };
    wait::until(gate::outage() * 2, over).await;
    for server in [1, 2] {
        nats.start_server(server).await.expect("started");
    }
    let converged = scene.converged(Instant::now(), &[&operator]).await;
    scene.held(&Held {
        fault: "quorum of the bus lost and regained",
        converged: vec![converged],
    });
}

/// Until every server has all that the stream holds: the next one may then be killed.
async fn all_current(scene: &Scene) {
    let current = || async {
        let stream = Bucket::DesiredState.stream();
        let Ok(stream) = scene.bus.context().get_stream(stream).await else {
            return false;
        };
        let cluster = stream.cached_info().cluster.as_ref();
        cluster.is_some_and(|cluster| {
            cluster.replicas.len() == SERVERS - 1
                && cluster
                    .replicas
                    .iter()
                    .all(|peer| peer.current && !peer.offline)
        })
    };
    let limit = PATIENCE + Duration::from_secs(30);
    assert!(wait::until(limit, current).await, "all are current");
}
