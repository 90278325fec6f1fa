//! A cluster with a node that has all images, and the chart with its values.

use std::io::Write as _;
use std::time::Duration;

use fleet_chartgen::platform::profiles;
use fleet_e2e::cluster::{Cluster, ImageName, bring};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE};
use fleet_e2e::{Installation, stand_ins, umbrella};
use fleet_images::product;
use fleet_testbed::{Node, Testbed, wait};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};

/// For what takes a moment on an idle machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

/// The cluster, with nothing installed yet.
pub(crate) struct Bed {
    pub(crate) parts: Testbed,
    pub(crate) client: kube::Client,
    pub(crate) platform: Installation,
}

impl Bed {
    /// Nothing where something is missing, which is said.
    pub(crate) async fn start(name: &str, admission: Admission) -> Option<Self> {
        if let Err(why) = possible() {
            writeln!(std::io::stderr(), "skipped: {name}: {why}").expect("said");
            return None;
        }
        // The bus' and OpenBao's.
        let builder = Testbed::builder(name).node().local_volumes(2);
        let parts = Box::pin(builder.start()).await.expect("a cluster");
        let cluster = Cluster::of_testbed(&parts).await.expect("an image");
        let images = Images {
            operator: cluster.image.clone(),
            auth: bring(&parts, product::AUTH).await.expect("an image"),
            nats: stand_ins::nats(&parts).await.expect("an image"),
            openbao: stand_ins::openbao(&parts).await.expect("an image"),
        };
        let (chart, _) = umbrella::folder(parts.folder()).expect("the chart");
        let bare = Installation::bare(&cluster, &parts, Major::Four, NAMESPACE, admission).await;
        let platform = bare
            .expect("a namespace")
            .of_chart(chart, "fleet", json!({}));
        let platform = match admission {
            Admission::Restricted => platform,
            Admission::RestrictedV2 => platform.with(&openshift()),
        };
        Some(Self {
            client: cluster.client,
            platform: platform.with(&values(&images)),
            parts,
        })
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
        let mut told = String::new();
        for pod in self.all::<Pod>().await {
            let status = pod.status.clone().unwrap_or_default();
            let states = status.container_statuses.unwrap_or_default();
            let states: Vec<_> = states.iter().map(|s| json!(s.state).to_string()).collect();
            let (name, params) = (pod.name_any(), LogParams::default());
            let log = self.platform.pods_api().logs(&name, &params).await;
            let log = log.unwrap_or_else(|error| error.to_string());
            told += &format!("--- {name}: {}\n{log}\n", states.join(", "));
        }
        told
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

struct Images {
    operator: ImageName,
    auth: ImageName,
    nats: ImageName,
    openbao: ImageName,
}

/// The profile for clusters that choose ids.
fn openshift() -> Value {
    let profile = profiles()
        .into_iter()
        .find(|profile| profile.name() == "okd");
    profile.expect("a profile").values()
}

/// What is known before an identity provider is there: the README's first step.
fn values(images: &Images) -> Value {
    json!({
        "operator": {"image": images.operator.values()},
        "auth": {
            "image": images.auth.values(),
            "oidc": {"issuer": "https://id.example.com", "project": "1", "organisation": "2"},
            "callout": {"enabled": false},
            "enrolment": {"enabled": false},
        },
        "nats": {
            "container": {"image": images.nats.values()},
            "reloader": {"enabled": false},
            // For devices, which are outside.
            "service": {"merge": {"spec": {"type": "NodePort"}}},
        },
        "openbao": {"server": {"image": images.openbao.values()}},
        "zitadel": {"enabled": false},
    })
}
