//! What is known of a cluster at one moment, as far as `fleet doctor` asks. Values of Secrets are not
//! among it: of a key only its public half is kept.

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::{Deployment, Device, DeviceEnrolment};
use jiff::Timestamp;

/// Something that was asked for, or why it is not known.
pub type Fact<T> = Result<T, Unread>;

/// Why something is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// What was asked for: `pods in namespace fleet-system`.
    pub what: String,
    /// Why there is no answer.
    pub why: Why,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// This user may not.
    Forbidden,
    /// Something else, in words.
    Failed(String),
}

/// The cluster, and what of us is in it.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Timestamp,
    /// This program's version.
    pub program: String,
    /// Where the API server is.
    pub url: String,
    /// Where the platform is, or shall be.
    pub namespace: String,
    /// Where `OpenBao` is; often the same.
    pub openbao_namespace: String,
    /// The API server's version, such as `v1.36.0`.
    pub server: Fact<String>,
    /// Whether the cluster has security context constraints.
    pub openshift: Fact<bool>,
    /// What this user may do.
    pub permissions: Fact<Vec<Permission>>,
    /// The namespace; none where it is not there.
    pub found_namespace: Fact<Option<NamespaceFacts>>,
    /// Definitions of our group.
    pub definitions: Fact<Vec<Definition>>,
    /// Storage classes, and whether each is the default.
    pub storage_classes: Fact<BTreeMap<String, bool>>,
    /// Claims of the namespaces.
    pub claims: Fact<Vec<Claim>>,
    /// The Secrets of the catalogue and those that workloads name, with what each is.
    pub secrets: BTreeMap<SecretName, Fact<Option<SecretFacts>>>,
    /// The entries of the `ConfigMap` with public keys; none where it is not there.
    pub public_keys: Fact<Option<BTreeMap<String, String>>>,
    /// Workloads of the platform.
    pub workloads: Fact<Vec<Workload>>,
    /// Their pods.
    pub pods: Fact<Vec<Pod>>,
    /// What the cluster says about all of it, the newest last.
    pub events: Fact<Vec<Event>>,
    /// Our resources.
    pub devices: Fact<Vec<Device>>,
    /// Our resources.
    pub deployments: Fact<Vec<Deployment>>,
    /// Our resources.
    pub enrolments: Fact<Vec<DeviceEnrolment>>,
}

/// Something that an installation needs, and whether this user may do it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permission {
    /// `create customresourcedefinitions`.
    pub what: String,
    /// Whether it is allowed.
    pub allowed: bool,
}

/// A namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamespaceFacts {
    /// Whether it is being deleted.
    pub ending: bool,
    /// The Pod Security level that is enforced.
    pub enforced: Option<String>,
    /// The user ids that OpenShift gives to pods in it.
    pub uid_range: Option<String>,
}

/// One of our custom resource definitions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definition {
    /// `devices.fleet.nationtech.io`.
    pub name: String,
    /// The versions that are served.
    pub served: BTreeSet<String>,
    /// Whether the API server took it up.
    pub established: bool,
    /// The release that it came with, where it says so.
    pub version: Option<String>,
    /// Who brought it.
    pub owner: Option<String>,
}

/// A part of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// `fleet-operator`.
    Operator,
    /// `fleet-auth callout`.
    Callout,
    /// `fleet-auth enrol`.
    Enrolment,
    /// The bus.
    Nats,
    /// Where policies are.
    OpenBao,
    /// The identity provider.
    Zitadel,
    /// `fleet-auth provision openbao`, a Job.
    Provision,
    /// `fleet-auth provision zitadel`, a Job.
    Identity,
    /// Another Job of `fleet-auth`, which makes keys.
    AuthJob,
}

impl Component {
    /// By the labels `app.kubernetes.io/name` and `app.kubernetes.io/component`, which all charts set.
    pub fn of(labels: &BTreeMap<String, String>) -> Option<Self> {
        let label = |name: &str| {
            let value = labels.get(&format!("app.kubernetes.io/{name}"));
            value.map_or("", String::as_str)
        };
        Some(match (label("name"), label("component")) {
            ("fleet-operator", _) => Self::Operator,
            ("fleet-auth", "callout") => Self::Callout,
            ("fleet-auth", "enrolment") => Self::Enrolment,
            ("fleet-auth", "openbao") => Self::Provision,
            ("fleet-auth", "zitadel") => Self::Identity,
            ("fleet-auth", _) => Self::AuthJob,
            ("nats", _) => Self::Nats,
            ("openbao", _) => Self::OpenBao,
            ("zitadel", _) => Self::Zitadel,
            _ => return None,
        })
    }
}

/// A Deployment, `StatefulSet` or Job of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// `deployment`, `statefulset` or `job`.
    pub kind: &'static str,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Which part of the platform it is.
    pub component: Component,
    /// The version that its label says.
    pub version: Option<String>,
    /// How many pods are wanted.
    pub wanted: i32,
    /// How many are ready, of the current template.
    pub ready: i32,
    /// Why none of its pods can be made, where its status says so.
    pub refused: Option<String>,
    /// The Secrets that its pods name and cannot do without, each with the entry.
    pub secrets: BTreeSet<(SecretName, Option<String>)>,
    /// The `ConfigMap`s likewise.
    pub config_maps: BTreeSet<String>,
}

/// A pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it is being deleted.
    pub ending: bool,
    /// Whether it came to its end without a failure.
    pub succeeded: bool,
    /// Whether it answers its readiness probe.
    pub ready: bool,
    /// Since when it is there.
    pub since: Option<Timestamp>,
    /// Why no node takes it.
    pub unschedulable: Option<String>,
    /// Its containers, those for its start first.
    pub containers: Vec<Container>,
}

/// A container of a pod.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its image.
    pub image: String,
    /// Why it waits: the node's word and message.
    pub waits: Option<(String, String)>,
    /// How it ended last, with what it said.
    pub ended: Option<String>,
    /// How often it was started again.
    pub restarts: i32,
    /// The last line of its log before it ended, or while it is not ready, where it may be read.
    pub last_words: Option<String>,
}

/// Something that happened to an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// `Pod`, `ReplicaSet`, …
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// The object's name.
    pub name: String,
    /// The word for it.
    pub reason: String,
    /// In words.
    pub message: String,
    /// When it happened last.
    pub at: Option<Timestamp>,
}

/// A `PersistentVolumeClaim`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Whether it has a volume.
    pub bound: bool,
    /// The class that it asks for.
    pub class: Option<String>,
}

/// Where a Secret is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// What a Secret holds, without what is secret.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretFacts {
    /// Its entries.
    pub entries: BTreeMap<String, Entry>,
}

/// An entry of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A key of the kind that the catalogue says, by its public half.
    Key(String),
    /// Should be such a key, and is not.
    NoKey,
    /// Something else, which is not looked at.
    Other,
}
