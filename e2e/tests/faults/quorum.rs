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
    gate::sit_out(lost).await;
    for server in [1, 2] {
        nats.start_server(server).await.expect("started");
    }
    let converged = scene.converged(Instant::now(), &[&operator]).await;
    scene.held(&Held {
        fault: "quorum of the bus lost and regained",
        converged: vec![converged],
    });
}

/// Heartbeats too must be readable without any one server, or nobody who starts meanwhile ever writes.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_that_starts_while_any_one_of_three_servers_is_away_goes_to_work() {
    let scene = scene("fault-start-with-two").await;
    let nats = scene.bed.nats().expect("a bus");
    let mut converged = Vec::new();
    for server in 0..SERVERS {
        all_current(&scene).await;
        nats.kill_server(server).await.expect("killed");
        let (name, tag) = (format!("operator-{server}"), format!("without-{server}"));
        scene.deploy_all(DEPLOYMENTS, &tag).await;
        let operator = scene.operator_with(&name, &["--stream-replicas", "3"]);
        converged.push(scene.converged(Instant::now(), &[&operator]).await);
        operator.stop().await.expect("stopped");
        nats.start_server(server).await.expect("started");
    }
    scene.held(&Held {
        fault: "an operator starts while one server of the bus is away",
        converged,
    });
}

/// Until every server has all that the streams hold: the next one may then be killed.
async fn all_current(scene: &Scene) {
    let current = || async {
        for bucket in Bucket::ALL {
            let Ok(stream) = scene.bus.context().get_stream(bucket.stream()).await else {
                return false;
            };
            let cluster = stream.cached_info().cluster.as_ref();
            let current = cluster.is_some_and(|cluster| {
                let mut others = cluster.replicas.iter();
                let all = cluster.replicas.len() == SERVERS - 1 && cluster.leader.is_some();
                all && others.all(|peer| peer.current && !peer.offline)
            });
            if !current {
                return false;
            }
        }
        true
    };
    let limit = PATIENCE + Duration::from_secs(30);
    assert!(wait::until(limit, current).await, "all are current");
}
