//! Asks the API server. Each question by itself, so that one that is refused leaves the others; all of
//! them at once, since a person waits.

mod convert;
mod logs;
mod permissions;
mod workloads;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use fleet_keys::catalogue::{Name, PUBLIC_NAME, seal_secret};
use futures::future::join_all;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::storage::v1::StorageClass;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::ListParams;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::facts::{
    Claim, Component, Definition, Event, Fact, NamespaceFacts, Pod, SecretFacts, SecretName,
    Snapshot, Unread, Why, Workload,
};
use crate::args::DEFAULT_NAMESPACE;
use crate::cluster::{Cluster, ClusterError};

/// The group of OpenShift's security context constraints.
const SCC: &str = "security.openshift.io";

/// What the command line says.
pub(super) struct Wanted<'a> {
    pub(super) namespace: Option<&'a str>,
    pub(super) openbao_namespace: Option<&'a str>,
}

/// Everything that the checks want to know.
pub(super) async fn gather(cluster: &Cluster, wanted: &Wanted<'_>) -> Snapshot {
    let asker = Asker { cluster };
    let server = asker.version().await;
    let namespace = match wanted.namespace {
        Some(namespace) => namespace.to_owned(),
        // A server that does not answer need not be asked twice.
        None if server.is_err() => DEFAULT_NAMESPACE.to_owned(),
        None => asker.operators_namespace().await,
    };
    let openbao = wanted.openbao_namespace.unwrap_or(&namespace).to_owned();
    let mut snapshot = empty(cluster, namespace, openbao, server);
    if snapshot.server.is_ok() {
        asker.ask_for_cluster(&mut snapshot).await;
        asker.ask_for_parts(&mut snapshot).await;
        asker.ask_for_fleet(&mut snapshot).await;
    }
    snapshot
}

fn empty(cluster: &Cluster, namespace: String, openbao: String, server: Fact<String>) -> Snapshot {
    Snapshot {
        now: Timestamp::now(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        url: cluster.url().to_owned(),
        namespace,
        openbao_namespace: openbao,
        server,
        openshift: Ok(false),
        permissions: Ok(vec![]),
        found_namespace: Ok(None),
        definitions: Ok(vec![]),
        storage_classes: Ok(BTreeMap::new()),
        claims: Ok(vec![]),
        secrets: BTreeMap::new(),
        public_keys: Ok(None),
        workloads: Ok(vec![]),
        pods: Ok(vec![]),
        events: Ok(vec![]),
        devices: Ok(vec![]),
        deployments: Ok(vec![]),
        enrolments: Ok(vec![]),
    }
}

/// Asks, and says why there is no answer.
struct Asker<'a> {
    cluster: &'a Cluster,
}

impl Asker<'_> {
    fn unread(&self, what: &str, error: kube::Error) -> Unread {
        unread(what, &self.cluster.explain(error))
    }

    async fn version(&self) -> Fact<String> {
        let info = self.cluster.client.apiserver_version().await;
        let info = info.map_err(|e| self.unread("the version", e))?;
        Ok(info.git_version)
    }

    async fn openshift(&self) -> Fact<bool> {
        let groups = self.cluster.client.list_api_groups().await;
        let groups = groups.map_err(|e| self.unread("API groups", e))?;
        Ok(groups.groups.iter().any(|group| group.name == SCC))
    }

    /// The one namespace with an operator, else the usual one.
    async fn operators_namespace(&self) -> String {
        let api: Api<apps::Deployment> = Api::all(self.cluster.client.clone());
        let of_operator = ListParams::default().labels("app.kubernetes.io/name=fleet-operator");
        let found = self.cluster.list(&api, of_operator).await;
        let found = found.unwrap_or_default();
        let namespaces: BTreeSet<_> = found.iter().filter_map(ResourceExt::namespace).collect();
        let mut namespaces = namespaces.into_iter();
        match (namespaces.next(), namespaces.next()) {
            (Some(only), None) => only,
            _ => DEFAULT_NAMESPACE.to_owned(),
        }
    }

    /// All objects; none where the server does not know the type.
    async fn list<K>(&self, what: &str, api: Api<K>) -> Fact<Vec<K>>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        match self.cluster.list(&api, ListParams::default()).await {
            Ok(all) => Ok(all),
            Err(ClusterError::NotInstalled { .. }) => Ok(vec![]),
            Err(error) => Err(unread(what, &error)),
        }
    }

    async fn get<K>(&self, what: &str, api: Api<K>, name: &str) -> Fact<Option<K>>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let found = api.get_opt(name).await;
        found.map_err(|error| self.unread(what, error))
    }

    fn all<K: Resource<DynamicType = ()>>(&self) -> Api<K> {
        Api::all(self.cluster.client.clone())
    }

    async fn ask_for_cluster(&self, snapshot: &mut Snapshot) {
        let name = snapshot.namespace.clone();
        let what = format!("namespace {name}");
        let (openshift, permissions, namespace, definitions, classes) = futures::join!(
            self.openshift(),
            self.permissions(&name),
            self.get::<core::Namespace>(&what, self.all(), &name),
            self.list::<CustomResourceDefinition>("customresourcedefinitions", self.all()),
            self.list::<StorageClass>("storageclasses", self.all()),
        );
        snapshot.openshift = openshift;
        snapshot.permissions = permissions;
        snapshot.found_namespace =
            namespace.map(|found| -> Option<NamespaceFacts> { found.map(convert::namespace) });
        snapshot.definitions = definitions.map(|all| -> Vec<Definition> {
            let ours = all.into_iter().filter(|d| d.spec.group == fleet_api::GROUP);
            ours.map(convert::definition).collect()
        });
        snapshot.storage_classes = classes.map(|all| {
            let class = |class: &StorageClass| {
                let default = convert::is_default(&class.metadata);
                (class.name_any(), default)
            };
            all.iter().map(class).collect()
        });
    }

    async fn ask_for_parts(&self, snapshot: &mut Snapshot) {
        let mut places = vec![snapshot.namespace.clone()];
        if snapshot.openbao_namespace != snapshot.namespace {
            places.push(snapshot.openbao_namespace.clone());
        }
        let (workloads, pods, events, claims) = futures::join!(
            self.workloads(&places),
            self.in_each::<core::Pod>("pods", &places),
            self.in_each::<core::Event>("events", &places),
            self.in_each::<core::PersistentVolumeClaim>("persistentvolumeclaims", &places),
        );
        snapshot.workloads = workloads;
        snapshot.pods = pods.map(|pods| -> Vec<Pod> {
            let pods = pods.into_iter().map(convert::pod);
            pods.filter(|pod| Component::of(&pod.labels).is_some())
                .collect()
        });
        if let Ok(pods) = &mut snapshot.pods {
            self.last_words(pods).await;
        }
        snapshot.events = events.map(|events| -> Vec<Event> {
            convert::by_time(events.into_iter().map(convert::event).collect())
        });
        snapshot.claims =
            claims.map(|claims| -> Vec<Claim> { claims.into_iter().map(convert::claim).collect() });
        let what = format!("configmap {PUBLIC_NAME}");
        let (secrets, public) = futures::join!(
            self.secrets(snapshot),
            self.get::<core::ConfigMap>(
                &what,
                Api::namespaced(self.cluster.client.clone(), &snapshot.namespace),
                PUBLIC_NAME,
            ),
        );
        snapshot.secrets = secrets;
        snapshot.public_keys = public.map(|found| found.map(|map| map.data.unwrap_or_default()));
    }

    async fn ask_for_fleet(&self, snapshot: &mut Snapshot) {
        let (devices, deployments, enrolments) = futures::join!(
            self.list("devices", self.all()),
            self.list("deployments of the fleet", self.all()),
            self.list("deviceenrolments", self.all()),
        );
        snapshot.devices = devices;
        snapshot.deployments = deployments;
        snapshot.enrolments = enrolments;
    }

    /// The objects of each namespace; nothing if one of them is refused.
    async fn in_each<K>(&self, kind: &str, namespaces: &[String]) -> Fact<Vec<K>>
    where
        K: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug,
    {
        let mut all = Vec::new();
        for namespace in namespaces {
            let api = Api::namespaced(self.cluster.client.clone(), namespace);
            let what = format!("{kind} in namespace {namespace}");
            all.extend(self.list::<K>(&what, api).await?);
        }
        Ok(all)
    }

    /// One by one, by name: nobody has to be allowed to list Secrets.
    async fn secrets(
        &self,
        snapshot: &Snapshot,
    ) -> BTreeMap<SecretName, Fact<Option<SecretFacts>>> {
        let secret = |namespace: &str, name: &str| SecretName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let mut wanted: BTreeSet<_> = Name::ALL
            .iter()
            .map(|key| secret(&snapshot.namespace, key.secret()))
            .collect();
        let seal = seal_secret(std::num::NonZeroU32::MIN);
        wanted.insert(secret(&snapshot.openbao_namespace, &seal));
        let workloads: &[Workload] = snapshot.workloads.as_deref().unwrap_or_default();
        let of_workloads = workloads.iter().flat_map(|w| &w.secrets);
        wanted.extend(of_workloads.map(|(name, _)| name.clone()));
        let asked = wanted.into_iter().map(async |name| {
            let api: Api<core::Secret> =
                Api::namespaced(self.cluster.client.clone(), &name.namespace);
            let what = format!("secret {}/{}", name.namespace, name.name);
            let found = self.get(&what, api, &name.name).await;
            (name, found.map(|found| found.map(convert::secret)))
        });
        join_all(asked).await.into_iter().collect()
    }
}

fn unread(what: &str, error: &ClusterError) -> Unread {
    let why = match error {
        error if error.is_forbidden() => Why::Forbidden,
        error => Why::Failed(chain(error)),
    };
    Unread {
        what: what.to_owned(),
        why,
    }
}

/// The error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut last = error;
    while let Some(source) = last.source() {
        let cause = source.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
        last = source;
    }
    text
}
