//! A stage with real servers: etcd, API server, NATS, and replicas of the operator. Devices are
//! played by the test, over NATS.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    clippy::panic,
    reason = "test code; each test binary uses its own part of it"
)]

pub mod wire;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use fleet_api::{Deployment, Device};
use fleet_bus::stream::ensure_all;
use fleet_bus::{Bus, StreamSettings};
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{
    DesiredEntry, DeviceInfo, DeviceState, Heartbeat, Inventory, Phase, SCHEMA_VERSION, encode,
};
use fleet_contracts::reason::DeviceReason;
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER, TrustedKey, verify};
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Manifest, Revision, UnixMillis};
use fleet_testbed::{Builder, Operator, OperatorOptions, OperatorRights, Testbed};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt as _};
use serde_json::{Value, json};

/// How long anything may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Stage {
    pub bed: Testbed,
    pub client: Client,
    pub bus: Bus,
    clock: AtomicU64,
}

impl Stage {
    /// The operator may do what the product grants it, and nothing else.
    pub async fn open(name: &str) -> Self {
        Self::open_with(Testbed::builder(name), &OperatorRights::default()).await
    }

    pub async fn open_with(builder: Builder, rights: &OperatorRights) -> Self {
        let bed = builder.control_plane().nats().start().await;
        let bed = bed.expect("the testbed starts");
        let client = bed.kube_client().await.expect("a client");
        bed.install_crds().await.expect("CRDs");
        bed.grant_operator(rights).await.expect("permissions");
        let bus = Bus::over(
            bed.nats()
                .expect("nats")
                .operator_client()
                .await
                .expect("bus"),
        );
        ensure_all(bus.context(), &StreamSettings::default())
            .await
            .expect("the streams");
        Self {
            bed,
            client,
            bus,
            clock: AtomicU64::new(1),
        }
    }

    /// A replica whose lease runs out soon, so that failover is quick.
    pub fn operator(&self, name: &str) -> Operator {
        self.operator_with(name, &[])
    }

    pub fn operator_with(&self, name: &str, args: &[&str]) -> Operator {
        let options = OperatorOptions::replica(name)
            .args(["--lease-duration", "3"])
            .args(args.iter().copied());
        self.bed
            .start_operator(options)
            .expect("the operator starts")
    }

    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub fn devices(&self) -> Api<Device> {
        Api::all(self.client.clone())
    }

    /// Creates or changes a Deployment of one service.
    pub async fn deploy(&self, name: &str, labels: &Value, image: &str) -> Revision {
        let spec = json!({
            "targetSelector": {"matchLabels": labels},
            "score": {"PodmanV0": {"services": [{"name": "web", "image": image}]}},
        });
        let object = self
            .apply(name, spec)
            .await
            .expect("the API server takes it");
        object.spec.score.revision()
    }

    pub async fn apply(&self, name: &str, spec: Value) -> Result<Deployment, kube::Error> {
        let object = json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
            "metadata": {"name": name, "namespace": "default"}, "spec": spec,
        });
        self.deployments()
            .patch(
                name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&object),
            )
            .await
    }

    pub async fn delete(&self, name: &str) {
        self.deployments()
            .delete(name, &DeleteParams::default())
            .await
            .expect("deleted");
    }

    /// A device says what it is.
    pub async fn announce(&self, name: &str, labels: &[(&str, &str)]) {
        let info = DeviceInfo {
            schema_version: SCHEMA_VERSION,
            device: device(name),
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            inventory: Inventory {
                architecture: Some("x86_64".into()),
                ..Inventory::default()
            },
            at: UnixMillis(0),
        };
        self.put(Bucket::DeviceInfo, name, encode(&info)).await;
    }

    /// A device says what became of a Deployment.
    pub async fn report(&self, name: &str, deployment: &str, revision: Revision, phase: Phase) {
        let failed = phase == Phase::Failed;
        let state = DeviceState {
            schema_version: SCHEMA_VERSION,
            revision,
            phase,
            reason: failed.then_some(DeviceReason::ImageNotFound),
            message: if failed {
                "no such image".into()
            } else {
                String::new()
            },
            at: UnixMillis(self.clock.fetch_add(1, Ordering::Relaxed)),
            services: vec![],
        };
        let key = format!("{name}.default.{deployment}");
        self.put(Bucket::DeviceState, &key, encode(&state)).await;
    }

    pub async fn beat(&self, name: &str) {
        self.put(Bucket::DeviceHeartbeat, name, encode(&heartbeat(name)))
            .await;
    }

    /// Like an agent, until it is acknowledged: after a loss each stream comes back in its own time.
    pub async fn put(&self, bucket: Bucket, key: &str, value: Vec<u8>) {
        let value = Bytes::from(value);
        eventually(&format!("{key} is stored"), None, || async {
            let refused = self.bus.put(bucket, key, value.clone()).await.err();
            refused.map(|error| format!("{error:?}"))
        })
        .await;
    }

    /// A device's manifest, as the device would take it: signed by the operator's key.
    pub async fn manifest(&self, name: &str) -> Option<Manifest> {
        let key = DesiredKey::Manifest(device(name)).to_string();
        let stored = self.bus.get(Bucket::DesiredState, &key).await.ok()??;
        let header = |name| stored.headers.get(name).map_or("", |v| v.as_str());
        let trusted: TrustedKey = self.bed.trusted_key().parse().expect("a key");
        verify(
            [&trusted],
            header(KEY_HEADER),
            header(SIGNATURE_HEADER),
            &stored.value,
        )
        .expect("a manifest on the bus is signed");
        Some(serde_json::from_slice(&stored.value).expect("a manifest"))
    }

    /// The lines of a device's manifest whose bodies are there and have the right hash.
    pub async fn runs(&self, name: &str) -> Option<BTreeMap<String, Revision>> {
        let manifest = self.manifest(name).await?;
        let mut lines = BTreeMap::new();
        for (reference, revision) in manifest.deployments {
            let key = EntryKey {
                device: device(name),
                deployment: reference.clone(),
            };
            let stored = self
                .bus
                .get(Bucket::DesiredState, &key.to_string())
                .await
                .ok()??;
            let entry: DesiredEntry = serde_json::from_slice(&stored.value).ok()?;
            if Revision::of(&entry.score) == revision {
                lines.insert(reference.name.to_string(), revision);
            }
        }
        Some(lines)
    }

    pub async fn wait_runs(&self, name: &str, expected: &[(&str, Revision)]) {
        let expected: BTreeMap<_, _> = expected
            .iter()
            .map(|(name, revision)| ((*name).to_owned(), *revision))
            .collect();
        eventually(&format!("what {name} runs"), Some(expected), || {
            self.runs(name)
        })
        .await;
    }

    pub async fn deployment(&self, name: &str) -> Deployment {
        self.deployments().get(name).await.expect("the Deployment")
    }

    /// matched, succeeded, failed, pending, unreachable
    pub async fn counts(&self, name: &str) -> [i64; 5] {
        let object = self.deployments().get_opt(name).await.ok().flatten();
        let a = object.and_then(|d| d.status).unwrap_or_default().aggregate;
        [
            a.matched_device_count,
            a.succeeded,
            a.failed,
            a.pending,
            a.unreachable,
        ]
    }

    pub async fn wait_counts(&self, name: &str, expected: [i64; 5]) {
        eventually(&format!("counts of {name}"), expected, || self.counts(name)).await;
    }

    /// Status and reason of a Deployment's condition.
    pub async fn condition(&self, name: &str, kind: &str) -> Option<(String, String)> {
        let object = self.deployments().get_opt(name).await.ok()??;
        let conditions = object.status?.conditions;
        let found = conditions.into_iter().find(|c| c.type_ == kind)?;
        Some((found.status, found.reason))
    }

    /// Status and message of a Device's condition.
    pub async fn device_condition(&self, name: &str, kind: &str) -> Option<(String, String)> {
        let object = self.devices().get_opt(name).await.ok()??;
        let conditions = object.status?.conditions;
        let found = conditions.into_iter().find(|c| c.type_ == kind)?;
        Some((found.status, found.message))
    }

    /// Every key of `desired-state`.
    pub async fn desired_keys(&self) -> BTreeMap<String, u64> {
        let held = self.bus.held(Bucket::DesiredState).await.expect("read");
        let keys = held.into_iter();
        keys.map(|(key, stored)| (key, stored.sequence)).collect()
    }

    /// The sum of all metrics whose line begins so.
    pub async fn metric(&self, operator: &Operator, prefix: &str) -> Option<f64> {
        let page = operator.page("/metrics").await?;
        let values = page.lines().filter(|line| line.starts_with(prefix));
        Some(
            values
                .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
                .sum(),
        )
    }

    pub async fn lease(&self) -> Lease {
        let all: Api<Lease> = Api::all(self.client.clone());
        let all = all.list(&ListParams::default()).await.expect("leases");
        let ours = |lease: &Lease| lease.name_any().starts_with("fleet-operator");
        all.into_iter().find(ours).expect("the operator's")
    }

    pub async fn wait_leader(&self, operator: &Operator) {
        eventually("leadership", Some(1.0), || {
            self.metric(operator, "fleet_operator_leader")
        })
        .await;
    }
}

pub fn device(name: &str) -> DeviceId {
    name.parse().expect("a device id")
}

pub fn reference(name: &str) -> DeploymentRef {
    format!("default.{name}").parse().expect("a reference")
}

pub fn heartbeat(name: &str) -> Heartbeat {
    Heartbeat {
        schema_version: SCHEMA_VERSION,
        device: device(name),
        at: UnixMillis(0),
        generation: Generation(0),
        refusal: None,
    }
}

/// Asks until the answer is the expected one; shows the last other answer if time runs out.
pub async fn eventually<T, F>(what: &str, expected: T, ask: impl Fn() -> F)
where
    T: PartialEq + Debug,
    F: Future<Output = T>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let found = ask().await;
        if found == expected {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "{what}: expected {expected:?}, found {found:?}"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
