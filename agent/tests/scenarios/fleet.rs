//! One device on a bus, and somebody who writes what the operator would.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_nats::HeaderMap;
use fleet_bus::Bus;
use fleet_contracts::brought::{self, ENTRY_HEADER};
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{self, DesiredEntry, DeviceState, Heartbeat, Phase};
use fleet_contracts::signing::{KEY_HEADER, ManifestSigner, SIGNATURE_HEADER};
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Manifest, RefusalReason, Revision};
use fleet_testbed::{Builder, Device, Testbed, wait};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Long enough for a machine that compiles at the same time.
pub(crate) const SOON: Duration = Duration::from_secs(40);

/// The image most scenarios run: `httpd` on port 80, the page says `v1`.
pub(crate) const V1: &str = "localhost/fleet-agent/web:v1";
/// The next one.
pub(crate) const V2: &str = "localhost/fleet-agent/web:v2";

pub(crate) struct Fleet {
    pub(crate) bed: Testbed,
    pub(crate) device: Arc<Device>,
    pub(crate) signer: ManifestSigner,
    pub(crate) generation: u64,
    id: DeviceId,
    bus: Bus,
    wanted: Vec<(DeploymentRef, Value)>,
}

impl Fleet {
    /// A bus and a device with both images; the agent is not started yet.
    pub(crate) async fn new(name: &str) -> Self {
        Box::pin(Self::on(Testbed::builder(name))).await
    }

    /// The same on a testbed with more parts.
    pub(crate) async fn on(builder: Builder) -> Self {
        let builder = builder.nats().devices(["dev-1"]);
        // Boxed, as all tests' futures would be too large for a stack otherwise.
        let bed = Box::pin(builder.start()).await.expect("testbed");
        let device = bed.device("dev-1").expect("device");
        device.load_image(V1, "v1").await.expect("image");
        device.load_image(V2, "v2").await.expect("image");
        let bus = Bus::over(
            bed.nats()
                .expect("nats")
                .operator_client()
                .await
                .expect("client"),
        );
        make_streams(&bus).await;
        let seed = std::fs::read_to_string(bed.signing_key_file()).expect("key");
        let signer = ManifestSigner::from_base64(&seed).expect("key");
        Self {
            bed,
            device,
            signer,
            bus,
            generation: 0,
            id: "dev-1".parse().expect("id"),
            wanted: vec![],
        }
    }

    /// The same with its agent running.
    pub(crate) async fn with_agent(name: &str) -> Self {
        let fleet = Self::new(name).await;
        fleet.device.start_agent().await.expect("agent");
        fleet
    }

    /// Has the device run these services; the first deployed is the oldest.
    pub(crate) async fn deploy(&mut self, deployment: &str, services: Value) -> Revision {
        let reference: DeploymentRef = deployment.parse().expect("reference");
        let score = json!({"PodmanV0": {"services": services}});
        match self.wanted.iter_mut().find(|(r, _)| *r == reference) {
            Some((_, old)) => *old = score.clone(),
            None => self.wanted.push((reference.clone(), score.clone())),
        }
        self.write_entry(&reference, &score, Revision::of(&score))
            .await;
        self.write_manifest().await;
        Revision::of(&score)
    }

    pub(crate) async fn remove(&mut self, deployment: &str) {
        self.wanted.retain(|(r, _)| r.to_string() != deployment);
        self.write_manifest().await;
    }

    pub(crate) async fn write_entry(
        &self,
        deployment: &DeploymentRef,
        score: &Value,
        revision: Revision,
    ) {
        let key = EntryKey {
            device: self.id.clone(),
            deployment: deployment.clone(),
        };
        let body = entry(score, revision).into();
        self.bus
            .put(Bucket::DesiredState, &key.to_string(), body)
            .await
            .expect("written");
    }

    /// Asks for a score by a manifest that brings the body of another along, or of this one. The bus holds
    /// no entry of it.
    pub(crate) async fn bring(
        &mut self,
        deployment: &str,
        services: Value,
        brought: Value,
    ) -> Revision {
        let reference: DeploymentRef = deployment.parse().expect("reference");
        let score = |services| json!({"PodmanV0": {"services": services}});
        let (wanted, brought) = (score(services), score(brought));
        let revision = Revision::of(&wanted);
        let value = brought::value(&reference, &entry(&brought, revision)).expect("a header");
        self.wanted.retain(|(r, _)| *r != reference);
        self.wanted.push((reference, wanted));
        self.generation += 1;
        let manifest = self.manifest(self.generation);
        self.send(&manifest, &self.signer, Some(value)).await;
        revision
    }

    /// The manifest of all that is wanted, at this generation.
    pub(crate) fn manifest(&self, generation: u64) -> Manifest {
        let deployments: BTreeMap<_, _> = self
            .wanted
            .iter()
            .map(|(r, s)| (r.clone(), Revision::of(s)))
            .collect();
        Manifest {
            schema_version: 1,
            device: self.id.clone(),
            generation: Generation(generation),
            order: self.wanted.iter().map(|(r, _)| r.clone()).collect(),
            deployments,
            announced_keys: vec![],
            retired_keys: vec![],
        }
    }

    /// Deletes every stream while all connections stand, and rebuilds them as the operator does.
    pub(crate) async fn lose_streams(&mut self) {
        let context = self.bus.context();
        for bucket in Bucket::ALL {
            let deleted = context.delete_stream(bucket.stream()).await;
            deleted.expect("deleted");
        }
        make_streams(&self.bus).await;
        for (reference, score) in &self.wanted {
            self.write_entry(reference, score, Revision::of(score))
                .await;
        }
        self.write_manifest().await;
    }

    /// The next manifest, of the same.
    pub(crate) async fn write_manifest(&mut self) {
        self.generation += 1;
        let manifest = self.manifest(self.generation);
        self.send_manifest(&manifest, &self.signer).await;
    }

    pub(crate) async fn send_manifest(&self, manifest: &Manifest, signer: &ManifestSigner) {
        self.send(manifest, signer, None).await;
    }

    async fn send(&self, manifest: &Manifest, signer: &ManifestSigner, brings: Option<String>) {
        let body = payload::encode(manifest);
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE_HEADER, signer.sign(&body));
        headers.insert(KEY_HEADER, signer.key_id().to_string());
        if let Some(value) = brings {
            headers.append(ENTRY_HEADER, value);
        }
        let key = DesiredKey::Manifest(self.id.clone()).to_string();
        let sent = self
            .bus
            .send(Bucket::DesiredState, &key, headers, body.into(), None)
            .await;
        sent.expect("sent").acknowledged().await.expect("stored");
    }

    /// Whether the device has said what it is.
    pub(crate) async fn introduced(&self) -> bool {
        let stored = self.bus.get(Bucket::DeviceInfo, "dev-1").await;
        stored.expect("read").is_some()
    }

    pub(crate) async fn state(&self, deployment: &str) -> Option<DeviceState> {
        let stored = self
            .bus
            .get(Bucket::DeviceState, &format!("dev-1.{deployment}"))
            .await
            .expect("read")?;
        payload::decode(Bucket::DeviceState, &stored.value).ok()
    }

    /// Waits until the device reports a state like this.
    pub(crate) async fn until(
        &self,
        deployment: &str,
        like: impl Fn(&DeviceState) -> bool,
    ) -> DeviceState {
        let is = || async { self.state(deployment).await.is_some_and(|s| like(&s)) };
        let reached = wait::until(SOON, is).await;
        let state = self.state(deployment).await;
        assert!(
            reached,
            "{deployment} is {state:?}; the agent says:\n{}",
            self.device.agent_log()
        );
        state.expect("just read")
    }

    pub(crate) async fn until_running(&self, deployment: &str, revision: Revision) -> DeviceState {
        self.until(deployment, |s| {
            s.phase == Phase::Running && s.revision == revision
        })
        .await
    }

    /// The device's last sign of life.
    async fn heartbeat(&self) -> Option<Heartbeat> {
        let stored = self.bus.get(Bucket::DeviceHeartbeat, "dev-1").await;
        let value = stored.expect("read")?.value;
        payload::decode(Bucket::DeviceHeartbeat, &value).ok()
    }

    /// Waits until the device follows the last manifest and has refused nothing since.
    pub(crate) async fn until_followed(&self) {
        let follows = |h: &Heartbeat| h.generation.0 == self.generation && h.refusal.is_none();
        self.until_true("following", || async {
            self.heartbeat().await.is_some_and(|h| follows(&h))
        })
        .await;
    }

    pub(crate) async fn until_refused(&self, reason: RefusalReason) {
        let refused = || async {
            let refusal = self.heartbeat().await.and_then(|h| h.refusal);
            refusal.is_some_and(|r| r.reason == reason)
        };
        assert!(
            wait::until(SOON, refused).await,
            "no {reason}; the agent says:\n{}",
            self.device.agent_log()
        );
    }

    pub(crate) async fn until_true<F: Future<Output = bool>>(
        &self,
        what: &str,
        predicate: impl Fn() -> F,
    ) {
        let log = || self.device.agent_log();
        assert!(
            wait::until(SOON, predicate).await,
            "never {what}; the agent says:\n{}",
            log()
        );
    }

    /// The page that answers on a port of the device.
    pub(crate) async fn page(&self, port: u16) -> Option<String> {
        let address = SocketAddr::new(self.device.host_ip(), port);
        let get = async {
            let mut stream = TcpStream::connect(address).await.ok()?;
            stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await.ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.ok()?;
            Some(answer.split_once("\r\n\r\n")?.1.to_owned())
        };
        tokio::time::timeout(Duration::from_secs(2), get)
            .await
            .ok()?
    }

    /// Full id and state of a container, `running <id>`.
    pub(crate) async fn container(&self, name: &str) -> Option<String> {
        let format = "{{.State.Status}} {{.Id}}";
        self.device
            .podman_ok(["inspect", "--type", "container", "--format", format, name])
            .await
            .ok()
    }

    pub(crate) async fn until_page(&self, port: u16, body: &str) {
        self.until_true(&format!("{body} on port {port}"), || async {
            self.page(port).await.as_deref() == Some(body)
        })
        .await;
    }

    pub(crate) fn ledger(&self) -> std::path::PathBuf {
        self.device.state_dir().join("ledger.json")
    }
}

/// One web server on a port.
pub(crate) fn web(image: &str, port: u16) -> Value {
    json!([{"name": "web", "image": image, "ports": [{"hostPort": port, "containerPort": 80}], "stopTimeoutSeconds": 1}])
}

/// As the operator does, which asks again where it is refused: a cluster elects who keeps what before it makes a stream,
/// and a server removes the folder of an account with its last one, with whatever is made there in that moment.
async fn make_streams(bus: &Bus) {
    let settings = fleet_bus::stream::StreamSettings::default();
    let made = || async {
        let made = fleet_bus::stream::ensure_all(bus.context(), &settings).await;
        made.is_ok()
    };
    assert!(wait::until(SOON, made).await, "the streams are made");
}

/// An entry that says it has this revision, whatever its score is.
fn entry(score: &Value, revision: Revision) -> Vec<u8> {
    payload::encode(&DesiredEntry {
        schema_version: 1,
        revision,
        score: score.clone(),
    })
}
