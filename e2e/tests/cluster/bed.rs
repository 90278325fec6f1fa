//! A cluster with a node, the servers that an installation brings itself, and a device.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use fleet_api::{Deployment, DeviceEnrolment};
use fleet_e2e::cluster::{Cluster, bring};
use fleet_e2e::command::Command;
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE, make_secret};
use fleet_e2e::{Installation, http, umbrella, workload};
use fleet_images::product;
use fleet_testbed::{Device, Error, Invitation, NodeError, Testbed, wait};
use k8s_openapi::api::apps::v1::Deployment as Workload;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::Api;
use kube::ResourceExt as _;
use kube::api::{ListParams, LogParams, Patch, PatchParams};
use serde_json::{Value, json};

/// The device.
pub(crate) const DEVICE: &str = "dev-1";
/// Where its containers answer.
const PORT: u16 = 8080;
/// What deployments select.
const LABEL: (&str, &str) = ("demo", "web");
/// The port of nodes at which devices ask to join.
const DOOR: u16 = 30_443;
/// For what takes a moment on an idle machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// What OpenBao's administrator gave to whoever sets it up.
const LOGIN: &str = "openbao-login";

/// All of it, with nothing installed yet.
pub(crate) struct Bed {
    pub(crate) parts: Testbed,
    pub(crate) client: kube::Client,
    pub(crate) platform: Installation,
}

impl Bed {
    /// Nothing where there is no root, which is said: a node cannot be without.
    pub(crate) async fn start(name: &str, major: Major) -> Option<Self> {
        let builder = Testbed::builder(name).control_plane().node();
        let builder = builder.callout().idp().openbao().devices([DEVICE]);
        let parts = match Box::pin(builder.start()).await {
            Err(Error::Node(NodeError::NotRoot)) => {
                eprintln!("skipped: {name}: a node with real pods needs root");
                return None;
            }
            parts => parts.expect("a cluster"),
        };
        let cluster = Cluster::of_testbed(&parts).await.expect("an image");
        let image = bring(&parts, product::AUTH).await.expect("an image");
        let admission = Admission::RestrictedV2;
        let operator = Installation::prepare(&cluster, &parts, major, NAMESPACE, admission).await;
        let operator = operator.expect("a namespace with Secrets");
        let (chart, _) = umbrella::folder(parts.folder()).expect("the chart");
        let mut values = values(&parts);
        values["auth"]["image"] = image.values();
        values["operator"]["image"] = cluster.image.values();
        let bed = Self {
            client: cluster.client,
            platform: operator.of_chart(chart, "fleet", values),
            parts,
        };
        bed.bring_secrets().await;
        let device = bed.device();
        for version in ["v1", "v2"] {
            let image = device.load_image(&workload::image(version), version).await;
            image.expect("an image");
        }
        Some(bed)
    }

    pub(crate) fn device(&self) -> Arc<Device> {
        self.parts.device(DEVICE).expect("a device")
    }

    /// What is the installation's own: its bus' keys, authorities, and logins elsewhere.
    async fn bring_secrets(&self) {
        let (nats, idp) = (self.parts.nats(), self.parts.idp().expect("a provider"));
        let nats = nats.expect("a bus");
        let (issuer, xkey) = nats.callout_seeds().expect("a callout's keys");
        let openbao = self.parts.openbao().expect("openbao");
        let login = openbao.provisioner().secret_id_file;
        let files = [
            ("fleet-auth-nats", "seed", nats.auth_seed()),
            ("fleet-auth-enforcer", "seed", nats.enforcer_seed()),
            ("fleet-auth-issuer", "seed", issuer),
            ("fleet-auth-xkey", "seed", xkey),
            ("idp-ca", "ca.crt", idp.ca_file().to_owned()),
            ("openbao-ca", "ca.crt", openbao.ca_file()),
            (LOGIN, "secret-id", login),
        ];
        for (name, key, path) in files {
            self.secret(name, key, fs::read(path).expect("a file"))
                .await;
        }
        let token = idp.admin_token().as_bytes().to_vec();
        self.secret("fleet-idp-token", "token", token).await;
    }

    async fn secret(&self, name: &str, key: &str, content: Vec<u8>) {
        let made = make_secret(&self.client, NAMESPACE, name, (key, content)).await;
        made.expect("a Secret");
    }

    /// Waits until both services have all their pods, and all Jobs are done.
    pub(crate) async fn wait_ready(&self) {
        let ready = || async { self.unready().await.is_empty() };
        if !wait::until(LIMIT, ready).await {
            let unready = self.unready().await.join(", ");
            panic!("not ready: {unready}\n{}", self.told().await);
        }
    }

    async fn unready(&self) -> Vec<String> {
        let workloads: Api<Workload> = self.namespaced();
        let jobs: Api<Job> = self.namespaced();
        let all = ListParams::default();
        let workloads = workloads.list(&all).await.expect("listed");
        let jobs = jobs.list(&all).await.expect("listed");
        let waiting = workloads.iter().filter(|workload| {
            let wanted = workload.spec.as_ref().and_then(|s| s.replicas);
            let status = workload.status.clone().unwrap_or_default();
            let seen = status.observed_generation == workload.metadata.generation;
            !seen || status.updated_replicas != wanted || status.ready_replicas != wanted
        });
        let undone = jobs.iter().filter(|job| {
            let status = job.status.clone().unwrap_or_default();
            status.succeeded != Some(1)
        });
        let waiting = waiting.map(Called::called);
        waiting.chain(undone.map(Called::called)).collect()
    }

    /// What pods wait for, and what they have said.
    async fn told(&self) -> String {
        let pods: Api<Pod> = self.namespaced();
        let mut told = Vec::new();
        for pod in pods.list(&ListParams::default()).await.expect("listed") {
            let (name, params) = (pod.name_any(), LogParams::default());
            let log = pods.logs(&name, &params).await;
            let log = log.unwrap_or_else(|error| error.to_string());
            let containers = pod.status.and_then(|status| status.container_statuses);
            let waits = containers.into_iter().flatten().map(|c| json!(c.state));
            let waits: Vec<_> = waits.map(|state| state.to_string()).collect();
            told.push(format!("--- {name}: {}\n{log}", waits.join(", ")));
        }
        told.join("\n")
    }

    pub(crate) fn namespaced<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// A token is carried to the device with the authority that the cluster publishes, the device
    /// asks at a node's port, and somebody approves.
    pub(crate) async fn enrol_device(&self) {
        let device = self.device();
        let kubeconfig = self.parts.kubeconfig().expect("a kubeconfig");
        let ours = |program: &str| {
            let command = Command::ours(program).expect("built");
            command.cluster(Some(kubeconfig))
        };
        let token = ours("fleet-auth")
            .args(["token", "create", "--device-id", DEVICE])
            .run();
        let token = token.await.expect("a token");
        let url = url(&self.parts);
        let authority = self.authority().await;
        let invitation = Invitation {
            url: &url,
            ca_file: &authority,
            token: &token,
        };
        device.enrol(&invitation).await.expect("asked");
        let enrolments: Api<DeviceEnrolment> = Api::all(self.client.clone());
        let asked = || async {
            let all = enrolments.list(&ListParams::default()).await;
            all.is_ok_and(|all| !all.items.is_empty())
        };
        if !wait::until(LIMIT, asked).await {
            let log = device.enrolling().log();
            panic!("the device never asked: {log}\n{}", self.told().await);
        }
        let all = enrolments
            .list(&ListParams::default())
            .await
            .expect("listed");
        let name = all.items[0].name_any();
        let approved = ours("fleet").args(["approve", &name]).run().await;
        approved.expect("approved");
        let enrolled = || async { device.is_enrolled() && device.enrolling().pid().is_none() };
        if !wait::until(LIMIT, enrolled).await {
            let log = device.enrolling().log();
            panic!("not enrolled: {log}\n{}", self.told().await);
        }
        device.start_agent().await.expect("an agent");
        let devices: Api<fleet_api::Device> = Api::all(self.client.clone());
        let there = || async { matches!(devices.get_opt(DEVICE).await, Ok(Some(_))) };
        let registered = wait::until(LIMIT, there).await;
        assert!(
            registered,
            "never registered: {}\n{}",
            device.agent_log(),
            self.told().await
        );
        let labels = Patch::Merge(json!({"metadata": {"labels": {LABEL.0: LABEL.1}}}));
        let params = PatchParams::default();
        let labelled = devices.patch(DEVICE, &params, &labels).await;
        labelled.expect("labelled");
    }

    /// The certificate that devices pin, from where everybody may read it.
    async fn authority(&self) -> PathBuf {
        let maps: Api<ConfigMap> = self.namespaced();
        let public = maps.get("fleet-public-keys").await.expect("public keys");
        let data = public.data.expect("entries");
        let path = self.parts.folder().join("enrolment-ca.crt");
        fs::write(&path, &data["enrolment-ca.crt"]).expect("written");
        path
    }

    /// Asks for a version of the test workload.
    pub(crate) async fn ask_for(&self, version: &str) {
        let deployment = workload::web("hello", LABEL, version, PORT).expect("a deployment");
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), "default");
        let params = PatchParams::apply("test").force();
        let applied = api
            .patch("hello", &params, &Patch::Apply(&deployment))
            .await;
        applied.expect("applied");
    }

    /// Waits until the device's container answers with a version.
    pub(crate) async fn shows(&self, version: &str) {
        let device = self.device();
        let address = std::net::SocketAddr::new(device.host_ip(), PORT);
        if let Err(error) = http::wait_for(address, version, LIMIT).await {
            panic!("{error}\n{}\n{}", device.agent_log(), self.told().await);
        }
    }
}

/// A kind and a name.
trait Called {
    fn called(&self) -> String;
}

impl<K: kube::Resource<DynamicType = ()>> Called for K {
    fn called(&self) -> String {
        let name = self.meta().name.as_deref().unwrap_or_default();
        format!("{} {name}", K::kind(&()))
    }
}

fn url(bed: &Testbed) -> String {
    let node = bed.node().expect("a node");
    format!("https://{}:{DOOR}", node.host_ip())
}

/// An installation that brings its own bus, OpenBao and identity provider.
fn values(bed: &Testbed) -> Value {
    let nats = bed.nats().expect("a bus").url();
    json!({
        "nats": {"enabled": false},
        "openbao": {"enabled": false},
        "zitadel": {"enabled": false},
        "operator": {"nats": {"url": nats}},
        "auth": auth_values(bed, &nats),
    })
}

fn auth_values(bed: &Testbed, nats: &str) -> Value {
    let idp = bed.idp().expect("a provider");
    let openbao = bed.openbao().expect("openbao");
    let login = openbao.provisioner();
    // By the address that pods know it by, too: it is the one in its certificate.
    let host = bed.nats().expect("a bus").address().ip().to_string();
    let api_server = bed.api_server().expect("an API server").url();
    let api_server = api_server.replace("127.0.0.1", &host);
    json!({
        "nats": {"url": nats},
        "oidc": {
            "issuer": idp.issuer(),
            "project": idp.project(),
            "organisation": idp.organisation(),
            "ca": {"name": "idp-ca"},
        },
        "openbao": {
            "address": openbao.url(),
            "ca": {"name": "openbao-ca"},
            "external": true,
            "kubernetesHost": api_server,
        },
        "enrolmentApi": {
            "publicUrls": [url(bed)],
            "service": {"type": "NodePort", "nodePort": DOOR},
        },
        "devices": {"natsUrl": nats, "issuerCa": {"name": "idp-ca"}},
        // Whoever sets it up logs in as its administrator says.
        "openbaoJob": {
            "extraArgs": [
                format!("--bao-approle-id={}", login.role_id),
                "--bao-approle-secret-file=/etc/openbao-login/secret-id",
            ],
            "extraVolumes": [{"name": "login", "secret": {"secretName": LOGIN}}],
            "extraVolumeMounts": [{"name": "login", "mountPath": "/etc/openbao-login"}],
        },
    })
}
