//! A cluster with a node that has all images, an identity provider and a device beside it, and the
//! chart with its values.

use std::fs;
use std::io::Write as _;
use std::time::Duration;

use fleet_chartgen::platform::profiles;
use fleet_e2e::cluster::{Cluster, bring};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE, make_secret};
use fleet_e2e::{Installation, stand_ins, umbrella, workload};
use fleet_images::product;
use fleet_testbed::{Node, Testbed, wait};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

use crate::device::DEVICE;

/// For what takes a moment on an idle machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// The port of nodes at which devices ask to join.
const DOOR: u16 = 30_443;
/// The port of nodes at which devices find the bus.
const BUS: u16 = 30_422;
/// The authority of the identity provider.
const PROVIDER: &str = "idp-ca";

/// The cluster, with nothing installed yet.
pub(crate) struct Bed {
    pub(crate) parts: Testbed,
    pub(crate) client: kube::Client,
    pub(crate) platform: Installation,
}

impl Bed {
    /// Nothing where something is missing, which is said.
    pub(crate) async fn start(name: &str, major: Major, admission: Admission) -> Option<Self> {
        if let Err(why) = possible() {
            writeln!(std::io::stderr(), "skipped: {name}: {why}").expect("said");
            return None;
        }
        // Volumes for the bus and OpenBao. Devices are those of a bus with a callout; that of the
        // testbed itself has nothing to do here.
        let builder = Testbed::builder(name).node().local_volumes(2);
        let builder = builder.callout().idp().devices([DEVICE]);
        let parts = Box::pin(builder.start()).await.expect("a cluster");
        let cluster = Cluster::of_testbed(&parts).await.expect("an image");
        let (chart, _) = umbrella::folder(parts.folder()).expect("the chart");
        let bare = Installation::bare(&cluster, &parts, major, NAMESPACE, admission).await;
        let bare = bare.expect("a namespace");
        let platform = bare.of_chart(chart, "fleet", json!({}));
        let platform = match admission {
            Admission::Restricted => platform,
            Admission::RestrictedV2 => platform.with(&openshift()),
        };
        let images = images(&parts, &cluster).await;
        let bed = Self {
            platform: platform.with(&images).with(&values(&parts)),
            client: cluster.client,
            parts,
        };
        bed.bring_logins().await;
        for version in ["v1", "v2"] {
            let image = workload::image(version);
            let loaded = bed.device().load_image(&image, version).await;
            loaded.expect("an image");
        }
        Some(bed)
    }

    /// What belongs to an identity provider of one's own. All other keys the platform makes.
    async fn bring_logins(&self) {
        let idp = self.parts.idp().expect("a provider");
        let authority = fs::read(idp.ca_file()).expect("an authority");
        let token = idp.admin_token().as_bytes().to_vec();
        for (name, key, content) in [
            (PROVIDER, "ca.crt", authority),
            ("fleet-idp-token", "token", token),
        ] {
            let made = make_secret(&self.client, NAMESPACE, name, (key, content)).await;
            made.expect("a Secret");
        }
    }

    /// Where devices ask to join.
    pub(crate) fn door(&self) -> String {
        door(&self.parts)
    }

    /// Where devices find the bus.
    pub(crate) fn bus(&self) -> String {
        bus(&self.parts)
    }

    /// Waits until everything is ready and all Jobs are done.
    pub(crate) async fn wait_ready(&self) {
        let ready = || async { self.unready().await.is_empty() };
        if !wait::until(LIMIT, ready).await {
            let unready = self.unready().await.join(", ");
            panic!("not ready: {unready}\n{}", self.told().await);
        }
    }

    async fn unready(&self) -> Vec<String> {
        let mut unready = Vec::new();
        for set in self.all::<StatefulSet>().await {
            let wanted = set.spec.as_ref().and_then(|spec| spec.replicas);
            let status = set.status.clone().unwrap_or_default();
            if status.observed_generation != set.metadata.generation
                || status.ready_replicas != wanted
                || status.current_revision != status.update_revision
            {
                unready.push(format!("StatefulSet {}", set.name_any()));
            }
        }
        for deployment in self.all::<Deployment>().await {
            let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas);
            let status = deployment.status.clone().unwrap_or_default();
            if status.observed_generation != deployment.metadata.generation
                || status.ready_replicas != wanted
            {
                unready.push(format!("Deployment {}", deployment.name_any()));
            }
        }
        for job in self.all::<Job>().await {
            if job.status.as_ref().and_then(|status| status.succeeded) != Some(1) {
                unready.push(format!("Job {}", job.name_any()));
            }
        }
        unready
    }

    /// What pods wait for, and what they have said.
    pub(crate) async fn told(&self) -> String {
        let mut told = Vec::new();
        for pod in self.all::<Pod>().await {
            let containers = pod.status.clone().and_then(|s| s.container_statuses);
            let states = containers.unwrap_or_default();
            let states: Vec<_> = states.iter().map(|s| json!(s.state).to_string()).collect();
            let (name, params) = (pod.name_any(), LogParams::default());
            let log = self.platform.pods_api().logs(&name, &params).await;
            let log = log.unwrap_or_else(|error| error.to_string());
            told.push(format!("--- {name}: {}\n{log}", states.join(", ")));
        }
        told.join("\n")
    }

    /// All objects of a kind in the namespace.
    pub(crate) async fn all<K>(&self) -> Vec<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + serde::de::DeserializeOwned,
    {
        let listed = self.namespaced::<K>().list(&ListParams::default()).await;
        listed.expect("listed").items
    }

    pub(crate) fn namespaced<K>(&self) -> Api<K>
    where
        K: kube::Resource<Scope = k8s_openapi::NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.platform.namespace())
    }
}

/// What has to be on this machine.
fn possible() -> Result<(), String> {
    if std::env::var_os(umbrella::UPSTREAM).is_none() {
        let variable = umbrella::UPSTREAM;
        return Err(format!(
            "{variable} names no folder with nats, openbao and zitadel"
        ));
    }
    Node::supported().map_err(|error| error.to_string())?;
    fleet_testbed::busybox().map_err(|error| error.to_string())?;
    Ok(())
}

/// The profile for clusters that choose ids.
fn openshift() -> Value {
    let all = profiles().into_iter();
    let mut okd = all.filter(|profile| profile.name() == "okd");
    okd.next().expect("a profile").values()
}

fn door(parts: &Testbed) -> String {
    let node = parts.node().expect("a node");
    format!("https://{}:{DOOR}", node.host_ip())
}

fn bus(parts: &Testbed) -> String {
    let node = parts.node().expect("a node");
    format!("nats://{}:{BUS}", node.host_ip())
}

/// The images on the node, as values.
async fn images(parts: &Testbed, cluster: &Cluster) -> Value {
    let auth = bring(parts, product::AUTH).await.expect("an image");
    let nats = stand_ins::nats(parts).await.expect("an image");
    let openbao = stand_ins::openbao(parts).await.expect("an image");
    json!({
        "operator": {"image": cluster.image.values()},
        "auth": {"image": auth.values()},
        "nats": {"container": {"image": nats.values()}, "reloader": {"enabled": false}},
        "openbao": {"server": {"image": openbao.values()}},
    })
}

/// What the README asks for, with an identity provider of one's own, and how devices reach the
/// cluster.
fn values(parts: &Testbed) -> Value {
    let idp = parts.idp().expect("a provider");
    let port = json!({"op": "add", "path": "/spec/ports/0/nodePort", "value": BUS});
    json!({
        "zitadel": {"enabled": false},
        "auth": {
            "oidc": {
                "issuer": idp.issuer(),
                "project": idp.project(),
                "organisation": idp.organisation(),
                "ca": {"name": PROVIDER},
            },
            "enrolmentApi": {
                "publicUrls": [door(parts)],
                "service": {"type": "NodePort", "nodePort": DOOR},
            },
            "devices": {"natsUrl": bus(parts), "issuerCa": {"name": PROVIDER}},
        },
        "nats": {"service": {"merge": {"spec": {"type": "NodePort"}}, "patch": [port]}},
    })
}
