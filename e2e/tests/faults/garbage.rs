//! Bytes that nobody can read, under every key.

use std::time::Instant;

use bytes::Bytes;
use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_e2e::http;
use fleet_testbed::{Operator, wait};

use crate::gate;
use crate::scene::{Held, PATIENCE, Scene, app};

const DEVICES: usize = 20;
const DEPLOYMENTS: usize = 3;
/// Into each bucket, for each seed.
const PIECES: usize = 150;

#[tokio::test(flavor = "multi_thread")]
async fn malformed_bytes_in_every_bucket_are_counted_and_change_nothing() {
    let scene = Scene::open("fault-garbage", DEVICES).await;
    let operator = scene.operator("operator");
    scene.deploy_all(DEPLOYMENTS, "v1").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let process = operator.service().pid();
    let mut converged = Vec::new();
    for seed in gate::seeds(1, 50) {
        let mut dice = fastrand::Rng::with_seed(seed);
        let counted = rejected(&operator).await;
        for bucket in Bucket::ALL {
            for _ in 0..PIECES {
                spoil(&scene.bus, bucket, &mut dice).await;
            }
        }
        let since = Instant::now();
        let noticed = || async { rejected(&operator).await > counted };
        assert!(wait::until(PATIENCE, noticed).await, "it is counted");
        // Devices notice nothing of what others wrote under their keys, and so say nothing again: what
        // they said before must count still.
        converged.push(scene.converged(since, &[&operator]).await);
    }
    assert_eq!(operator.service().pid(), process, "the operator lived on");
    let health = http::status(operator.metrics_addr(), "/healthz").await;
    assert_eq!(health, Some(200));
    for bucket in Bucket::ALL {
        let log = operator.log();
        let mut refusals = log.lines().filter(|line| line.contains("refused;"));
        let named = refusals.any(|line| line.contains(bucket.name()));
        assert!(named, "no refusal in {} is logged", bucket.name());
    }
    scene.held(&Held {
        fault: "malformed bytes in every bucket",
        converged,
    });
}

/// How many payloads the operator has refused.
async fn rejected(operator: &Operator) -> f64 {
    let page = http::text(operator.metrics_addr(), "/metrics").await;
    let page = page.unwrap_or_default();
    let lines = page.lines();
    lines
        .filter(|line| line.starts_with("fleet_rejected_payloads_total{"))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Writes what is no payload under a key of ours or of nobody.
async fn spoil(bus: &Bus, bucket: Bucket, dice: &mut fastrand::Rng) {
    let device = format!("dev-{:03}", dice.usize(0..DEVICES));
    let deployment = app(dice.usize(0..DEPLOYMENTS));
    let key = match (dice.u8(0..6), bucket) {
        (0, _) => format!("Foreign.{}", dice.u32(..)),
        (1, _) => format!("a.b.c.d.{}", dice.u8(..)),
        (_, Bucket::DeviceInfo | Bucket::DeviceHeartbeat) => device,
        (2, Bucket::DesiredState) => format!("{device}._manifest"),
        (..) => format!("{device}.default.{deployment}"),
    };
    let stored = bus.get(bucket, &key).await.expect("read");
    let value = match (dice.u8(0..4), stored) {
        // Cut short: the beginning of what was there.
        (0 | 1, Some(stored)) if stored.value.len() > 1 => {
            stored.value.slice(..dice.usize(1..stored.value.len()))
        }
        (2, _) => Bytes::from_static(b"{}"),
        (3, _) => Bytes::from_static(b"[[[[[[null]]]]]]"),
        _ => (0..dice.usize(0..2_000)).map(|_| dice.u8(..)).collect(),
    };
    bus.put(bucket, &key, value).await.expect("stored");
}
