//! A platform as pods, in a cluster with a node.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use fleet_e2e::Installation;
use fleet_e2e::cluster::{Cluster, bring};
use fleet_e2e::installed::{Wait, make_secret};
use fleet_images::product;
use fleet_testbed::{Testbed, wait};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, LogParams};
use kube::{Api, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// All of it, with nothing installed yet.
pub(crate) struct Site {
    pub(crate) parts: Testbed,
    pub(crate) client: kube::Client,
    pub(crate) platform: Installation,
    /// For what takes a moment on an idle machine.
    pub(crate) limit: Duration,
}

/// The images of our programs, on the node and as values.
pub(crate) async fn our_images(parts: &Testbed, cluster: &Cluster) -> Value {
    let auth = bring(parts, product::AUTH).await.expect("an image");
    let check = bring(parts, product::CHECK).await.expect("an image");
    json!({
        "operator": {"image": cluster.image.values()},
        "auth": {"image": auth.values()},
        "check": {"image": check.values()},
    })
}

impl Site {
    /// Installs it all at once: what comes too early waits by itself. When it began.
    pub(crate) async fn install(&self) -> Instant {
        let began = Instant::now();
        let installed = self.platform.install(Wait::No, &[]).await;
        installed.expect("installed");
        self.wait_ready().await;
        println!("ready {:.1?} after helm install", began.elapsed());
        began
    }

    /// A Secret that whoever installs brings.
    pub(crate) async fn bring(&self, name: &str, key: &str, content: Vec<u8>) {
        let namespace = self.platform.namespace();
        let made = make_secret(&self.client, namespace, name, (key, content)).await;
        made.expect("a Secret");
    }

    /// Waits until everything is ready and all Jobs are done.
    pub(crate) async fn wait_ready(&self) {
        let ready = || async { self.unready().await.is_empty() };
        if !wait::until(self.limit, ready).await {
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
                || status.updated_replicas != wanted
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
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + Debug
            + DeserializeOwned,
    {
        let listed = self.namespaced::<K>().list(&ListParams::default()).await;
        listed.expect("listed").items
    }

    pub(crate) fn namespaced<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), self.platform.namespace())
    }
}
