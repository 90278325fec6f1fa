//! A device that has been taken over floods what it may write.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_nats::Client;
use bytes::Bytes;
use fleet_contracts::payload::{DeviceState, Phase, SCHEMA_VERSION, encode};
use fleet_contracts::{Revision, UnixMillis};
use fleet_testbed::Operator;

use crate::scene::{EVERYBODY, Held, Scene, app};

const DEVICES: usize = 20;
const DEPLOYMENTS: usize = 3;
/// Changes that are measured, before and during the flood.
const CHANGES: usize = 8;
/// How much longer a change may take meanwhile. On two cores the flood takes a share of both, and a
/// status goes out once a second; without a bound of its own the flood's queue would grow for as long
/// as it lasts, and so would this.
const RATIO: f64 = 20.0;
/// The name of the one that was taken over. The scene's own devices have lower numbers.
const HOSTILE: &str = "dev-801";

/// Publishes as fast as one connection can, until it is told to stop.
struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    task: tokio::task::JoinHandle<()>,
}

impl Flood {
    fn start(device: Client, revision: Revision) -> Self {
        let (stop, sent) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicU64::new(0)),
        );
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let task = tokio::spawn(async move {
            let subject = format!("up.state.{HOSTILE}.default.{}", app(0));
            // Each differs from the one before, so that none can be left aside unread.
            let state = |phase| Bytes::from(encode(&state(revision, phase)));
            let payloads = [state(Phase::Running), state(Phase::Failed)];
            while !stopped.load(Ordering::Relaxed) {
                let number = count.fetch_add(1, Ordering::Relaxed);
                let payload = payloads[usize::from(number % 2 == 1)].clone();
                if device.publish(subject.clone(), payload).await.is_err() {
                    return;
                }
                if number % 512 == 0 {
                    // The buffer of the client is not what is flooded.
                    let _ = device.flush().await;
                }
            }
            // The last word is the one that everybody else waits for.
            let _ = device.publish(subject, payloads[0].clone()).await;
            let _ = device.flush().await;
        });
        Self { stop, sent, task }
    }

    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.expect("ended");
        self.sent.load(Ordering::Relaxed)
    }
}

fn state(revision: Revision, phase: Phase) -> DeviceState {
    DeviceState {
        schema_version: SCHEMA_VERSION,
        revision,
        phase,
        reason: None,
        message: "f".repeat(400),
        at: UnixMillis(0),
        services: Vec::new(),
    }
}

/// A connection as that device, with its own credential and so its own rights.
async fn connect(scene: &Scene) -> Client {
    let nats = scene.bed.nats().expect("a bus");
    let key = nkeys::KeyPair::new_user();
    let device = HOSTILE.parse().expect("an id");
    let admitted = nats.admit_keys([(device, key.public_key())]).await;
    admitted.expect("admitted");
    let options = async_nats::ConnectOptions::with_nkey(key.seed().expect("a seed"));
    let options = options.custom_inbox_prefix(format!("_INBOX_{HOSTILE}"));
    options.connect(nats.url()).await.expect("connects")
}

/// From a change of another Deployment until all others run it and its status says so.
async fn changes(scene: &Scene, operator: &Operator, tag: &str) -> Vec<Duration> {
    let mut took = Vec::new();
    for number in 0..CHANGES {
        let since = Instant::now();
        let image = format!("app:{tag}-{number}");
        scene.deploy(&app(1), ("ring", "r1"), &image).await;
        took.push(
            scene
                .converged_but(since, &[operator], &[HOSTILE, &app(0)])
                .await,
        );
    }
    took.sort();
    took
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_floods_its_own_keys_slows_others_by_a_bounded_ratio() {
    let scene = Scene::open("fault-flood", DEVICES).await;
    let operator = scene.operator("operator");
    let asked = scene.deploy_all(DEPLOYMENTS, "v1").await;
    scene.deploy(&app(1), ("ring", "r1"), "app:v1").await;
    scene.may_take(&app(1));
    scene.played.announce(HOSTILE, &[EVERYBODY]);
    scene.converged(Instant::now(), &[&operator]).await;
    let device = connect(&scene).await;
    let calm = changes(&scene, &operator, "calm").await;

    let flood = Flood::start(device, asked[0]);
    let flooded = changes(&scene, &operator, "flood").await;
    let sent = flood.end().await;
    let over = Instant::now();
    let settled = scene.converged(over, &[&operator]).await;

    let (calm, slow) = (calm[CHANGES / 2], flooded[CHANGES / 2]);
    let ratio = slow.as_secs_f64() / calm.as_secs_f64();
    println!(
        "{sent} reports; a change took {calm:.2?} before and {slow:.2?} meanwhile: {ratio:.1}"
    );
    assert!(sent > 10_000, "a flood, not {sent} reports");
    assert!(ratio < RATIO, "{ratio:.1} times as long");
    scene.held(&Held {
        fault: "a device floods its own keys",
        converged: vec![settled],
    });
}
