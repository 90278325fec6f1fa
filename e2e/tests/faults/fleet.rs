//! Real devices: podman, the agent, and a page that says which version runs.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_bus::StreamSettings;
use fleet_e2e::{http, workload};
use fleet_testbed::{Builder, Device, Operator, wait};
use serde_json::Value;

use crate::scene::{Held, PATIENCE, Scene};

/// The Deployment of these scenarios.
pub(crate) const NAME: &str = "web";
const LABEL: (&str, &str) = ("fleet", "real");
const PORT: u16 = 8080;

/// A platform with real devices that show `v1`.
pub(crate) struct Fleet {
    pub(crate) scene: Scene,
    pub(crate) operator: Operator,
}

/// A container that runs: its id and since when.
pub(crate) type Running = Vec<String>;

impl Fleet {
    /// Devices with images of both versions in their stores.
    pub(crate) async fn start(builder: Builder, ids: &[&str]) -> Self {
        let fleet = Self::empty(builder, ids).await;
        for id in ids {
            fleet.stock(id).await;
            fleet.device(id).start_agent().await.expect("started");
        }
        fleet.ask("v1").await;
        for id in ids {
            fleet.shows(id, "v1").await;
        }
        fleet.counts([ids.len(), ids.len(), 0, 0]).await;
        fleet
    }

    /// Puts the images of both versions into a device's store.
    pub(crate) async fn stock(&self, id: &str) {
        let device = self.device(id);
        for version in ["v1", "v2"] {
            let image = workload::image(version);
            device.load_image(&image, version).await.expect("loaded");
        }
    }

    /// Devices without images, and no agent runs yet.
    pub(crate) async fn empty(builder: Builder, ids: &[&str]) -> Self {
        let builder = builder.nats().devices(ids.iter().copied());
        let scene = Box::pin(Scene::open_on(builder, 0, StreamSettings::default())).await;
        let operator = scene.operator("operator");
        for device in scene.bed.devices() {
            device.set_labels([LABEL]);
        }
        Self { scene, operator }
    }

    pub(crate) fn device(&self, id: &str) -> Arc<Device> {
        self.scene.bed.device(id).expect("a device")
    }

    /// Asks for the test image of a version.
    pub(crate) async fn ask(&self, version: &str) {
        let deployment = workload::web(NAME, LABEL, version, PORT).expect("valid");
        let score = serde_json::to_value(&deployment.spec.score).expect("JSON");
        self.ask_score(score).await;
    }

    pub(crate) async fn ask_score(&self, score: Value) {
        self.scene.deploy_score(NAME, LABEL, score).await;
    }

    /// Waits until a device shows a version; how long that took.
    pub(crate) async fn shows(&self, id: &str, version: &str) -> Duration {
        let since = Instant::now();
        let address = (self.device(id).host_ip(), PORT).into();
        if http::wait_for(address, version, PATIENCE).await.is_err() {
            eprintln!("--- agent of {id}\n{}", self.device(id).agent_log());
            panic!("{id} does not show {version}");
        }
        since.elapsed()
    }

    /// Whether a device shows a version at this moment.
    pub(crate) async fn shows_now(&self, id: &str, version: &str) -> bool {
        let address = (self.device(id).host_ip(), PORT).into();
        http::get(address).await.as_deref() == Some(version)
    }

    /// What runs on a device.
    pub(crate) async fn running(&self, id: &str) -> Running {
        self.device(id).running().await.expect("listed")
    }

    /// How many containers were ever started on a device.
    pub(crate) async fn starts(&self, id: &str) -> usize {
        self.device(id).starts().await.expect("listed")
    }

    /// Waits until the status says so: matched, succeeded, failed, pending.
    pub(crate) async fn counts(&self, expected: [usize; 4]) {
        let expected = expected.map(|n| i64::try_from(n).expect("few"));
        let said = || async { self.counted().await == Some(expected) };
        if !wait::until(PATIENCE, said).await {
            let found = self.counted().await;
            panic!(
                "counts: {found:?} instead of {expected:?}\n{}",
                self.operator.log()
            );
        }
    }

    async fn counted(&self) -> Option<[i64; 4]> {
        let found = self.scene.deployments().get(NAME).await.ok()?;
        let status = found.status?;
        let a = &status.aggregate;
        let is_current = status.observed_generation == found.metadata.generation;
        is_current.then_some([a.matched_device_count, a.succeeded, a.failed, a.pending])
    }

    /// Waits until the Deployment names this as its last error.
    pub(crate) async fn failed_for(&self, reason: &str) {
        let error = || async {
            let found = self.scene.deployments().get(NAME).await.ok()?;
            found.status?.aggregate.last_error
        };
        let named = || async { error().await.is_some_and(|e| e.reason == reason) };
        let reached = wait::until(PATIENCE, named).await;
        assert!(reached, "{:?} instead of {reason}", error().await);
    }

    /// Says that a fault was survived.
    pub(crate) fn held(&self, fault: &'static str, converged: Vec<Duration>) {
        self.scene.held(&Held { fault, converged });
    }

    /// A score of one service from an image, pulled by this policy.
    pub(crate) fn score(image: &str, pull: &str) -> Value {
        let service: BTreeMap<&str, Value> = BTreeMap::from([
            ("name", "web".into()),
            ("image", image.into()),
            ("pullPolicy", pull.into()),
            (
                "ports",
                serde_json::json!([{"hostPort": PORT, "containerPort": 80}]),
            ),
            ("stopTimeoutSeconds", 0.into()),
        ]);
        serde_json::json!({"PodmanV0": {"services": [service]}})
    }
}
