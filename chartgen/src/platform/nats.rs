//! What we set of the values of the chart `nats`.
//!
//! The configuration of the server is that of `fleet-bus`. The part that depends on keys is made in the
//! cluster, with the keys: the server includes it from a `ConfigMap`, and its pods wait for that.

use std::collections::BTreeMap;

use chartgen::common::{FreeForm, FreeFormList, Resources};
use fleet_bus::server::{MAX_CONTROL_LINE, MAX_PAYLOAD};
use fleet_keys::catalogue::{ACCOUNTS_ENTRY, PUBLIC_NAME};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, PodSecurityContext, Probe, SecurityContext, Volume, VolumeMount,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::context;
use super::names;
use super::part::Part;
use super::patch::Operation;

/// The user that the server runs as where the cluster does not choose one: the image's own is root.
const USER: i64 = 1000;
/// The volume with what the server includes.
const INCLUDED: &str = "fleet-public-keys";

/// The bus, by its own chart, `nats`. Any other value of that chart can be set here too.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct Nats {
    /// Install it. Without it name another one in `operator.nats.url` and `auth.nats.url`.
    pub enabled: bool,
    /// What its objects are called; other parts of the platform look for them.
    pub fullname_override: String,
    /// Settings of all its pods.
    pub global: NatsGlobal,
    /// The server's configuration.
    pub config: Config,
    /// The server's container.
    pub container: Container,
    /// The container that tells the server of changes in its configuration.
    pub reloader: Reloader,
    /// The pods.
    pub pod_template: PodTemplate,
    /// A pod with tools, which would need a login of its own.
    pub nats_box: Part,
}

/// Settings of all its pods.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct NatsGlobal {
    /// Its images.
    pub image: NatsImages,
}

/// Its images.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct NatsImages {
    /// The registry of all of them.
    pub registry: String,
}

/// The server's configuration.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Config {
    /// Several servers that are one bus.
    pub cluster: Cluster,
    /// Streams.
    pub jetstream: JetStream,
    /// What the chart has no value for. The first three keep the bus as the platform needs it.
    pub merge: ConfigMerge,
}

/// Several servers that are one bus.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Cluster {
    /// More than one server.
    pub enabled: bool,
    /// How many: 3 or 5, for they decide by majority.
    #[schemars(range(min = 1))]
    pub replicas: u32,
}

/// Streams.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct JetStream {
    /// The platform needs them.
    pub enabled: bool,
    /// Streams on disk.
    pub file_store: FileStore,
    /// Streams in memory: heartbeats.
    pub memory_store: MemoryStore,
}

/// Streams on disk.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct FileStore {
    /// The volume of each server.
    pub pvc: Pvc,
}

/// The volume of a server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Pvc {
    /// Its size; it cannot be changed later.
    pub size: String,
    /// Fields that Kubernetes would add to the claim's template. Without them Argo CD finds a
    /// difference in each comparison and applies the `StatefulSet` for ever.
    pub merge: PvcMerge,
}

/// What a claim's template is.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct PvcMerge {
    /// Its API.
    pub api_version: String,
    /// Its kind.
    pub kind: String,
}

/// Streams in memory.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct MemoryStore {
    /// The platform needs them.
    pub enabled: bool,
    /// Their size; well below the memory limit of the container.
    pub max_size: String,
}

/// Settings of the server in its own words.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct ConfigMerge {
    /// A file with accounts, users and who decides about devices, relative to the configuration. The
    /// platform makes it with its keys.
    #[serde(rename = "$include")]
    pub include: String,
    /// The longest line of the protocol in bytes; a login of a device needs it.
    pub max_control_line: u32,
    /// The largest message in bytes.
    pub max_payload: u32,
}

/// The server's container.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Container {
    /// Fields that are set beside the chart's.
    pub merge: ContainerMerge,
    /// Items added to the chart's lists, as JSON Patch.
    #[schemars(with = "FreeFormList")]
    pub patch: Vec<Operation>,
    /// Variables of its environment.
    pub env: Env,
    /// Processor and memory.
    #[schemars(with = "FreeForm")]
    pub resources: Resources,
}

/// Variables of the server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Env {
    /// From how much memory on the server takes more care to give it back: four fifths of the limit below.
    #[serde(rename = "GOMEMLIMIT")]
    pub go_memory_limit: String,
}

/// The container beside the server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Reloader {
    /// Fields that are set beside the chart's.
    pub merge: ReloaderMerge,
}

/// Fields of the container.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct ContainerMerge {
    /// What it may do.
    #[schemars(with = "FreeForm")]
    pub security_context: SecurityContext,
    /// When it counts as started. The chart asks for the first time after ten seconds, and the bus is
    /// away for all of that time whenever its pod is replaced. It still has a quarter of an hour.
    #[schemars(with = "FreeForm")]
    pub startup_probe: Probe,
    /// When it is sent connections; asked as soon as it has started.
    #[schemars(with = "FreeForm")]
    pub readiness_probe: Probe,
}

/// Fields of the container beside the server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct ReloaderMerge {
    /// What it may do.
    #[schemars(with = "FreeForm")]
    pub security_context: SecurityContext,
    /// Processor and memory.
    #[schemars(with = "FreeForm")]
    pub resources: Resources,
}

/// The pods.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct PodTemplate {
    /// Fields that are set beside the chart's.
    pub merge: PodMerge,
    /// Changes to the pod as JSON Patch: a volume, and the ids of user and group, which OpenShift
    /// chooses itself. A list of your own replaces this one: keep the volume.
    #[schemars(with = "FreeFormList")]
    pub patch: Vec<Operation>,
    /// How servers are spread, by label of the nodes.
    #[schemars(with = "FreeForm")]
    pub topology_spread_constraints: BTreeMap<String, Spread>,
}

/// Fields of the pods.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct PodMerge {
    /// Of their spec.
    pub spec: PodSpec,
}

/// Fields of the pods' spec.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct PodSpec {
    /// The server has no use for a token of the API server.
    pub automount_service_account_token: bool,
    /// What the pods may do.
    #[schemars(with = "FreeForm")]
    pub security_context: PodSecurityContext,
}

/// How servers are spread over one label.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spread {
    /// How many more may be on one side.
    pub max_skew: u32,
    /// What happens otherwise.
    pub when_unsatisfiable: &'static str,
}

/// Who chooses the ids that the pods run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ids {
    /// We do.
    Ours,
    /// The cluster does, and takes no others.
    Clusters,
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            enabled: true,
            fullname_override: names::NATS.to_owned(),
            global: NatsGlobal {
                image: NatsImages {
                    // Nodes that take no short names need it.
                    registry: "docker.io".to_owned(),
                },
            },
            config: Config::default(),
            container: Container {
                merge: ContainerMerge {
                    security_context: context::read_only(),
                    startup_probe: Probe {
                        initial_delay_seconds: Some(1),
                        period_seconds: Some(2),
                        failure_threshold: Some(450),
                        ..Probe::default()
                    },
                    readiness_probe: Probe {
                        initial_delay_seconds: Some(1),
                        ..Probe::default()
                    },
                },
                patch: vec![Operation::add("/volumeMounts/-", mount())],
                env: Env {
                    go_memory_limit: "800MiB".to_owned(),
                },
                resources: Resources::default()
                    .request("cpu", "100m")
                    .request("memory", "256Mi")
                    .limit("memory", "1Gi"),
            },
            reloader: Reloader {
                merge: ReloaderMerge {
                    security_context: context::read_only(),
                    resources: Resources::default()
                        .request("cpu", "5m")
                        .request("memory", "16Mi")
                        .limit("memory", "64Mi"),
                },
            },
            pod_template: PodTemplate {
                merge: PodMerge {
                    spec: PodSpec {
                        automount_service_account_token: false,
                        security_context: context::pod(),
                    },
                },
                patch: pod_patch(Ids::Ours),
                topology_spread_constraints: BTreeMap::new(),
            },
            nats_box: Part { enabled: false },
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cluster: Cluster {
                enabled: false,
                replicas: 3,
            },
            jetstream: JetStream {
                enabled: true,
                file_store: FileStore {
                    pvc: Pvc {
                        size: "10Gi".to_owned(),
                        merge: PvcMerge {
                            api_version: "v1".to_owned(),
                            kind: "PersistentVolumeClaim".to_owned(),
                        },
                    },
                },
                memory_store: MemoryStore {
                    enabled: true,
                    max_size: "256Mi".to_owned(),
                },
            },
            merge: ConfigMerge {
                // Relative, or the reloader would look for it below the configuration's folder.
                include: format!("../{INCLUDED}/{ACCOUNTS_ENTRY}"),
                max_control_line: MAX_CONTROL_LINE,
                max_payload: MAX_PAYLOAD,
            },
        }
    }
}

/// What the pods get beside the chart's: lists cannot be merged, so items are added.
pub(super) fn pod_patch(ids: Ids) -> Vec<Operation> {
    let volume = Volume {
        name: INCLUDED.to_owned(),
        config_map: Some(ConfigMapVolumeSource {
            name: PUBLIC_NAME.to_owned(),
            ..ConfigMapVolumeSource::default()
        }),
        ..Volume::default()
    };
    let mut patch = vec![Operation::add("/spec/volumes/-", volume)];
    if ids == Ids::Ours {
        let id = |field: &str| Operation::add(&format!("/spec/securityContext/{field}"), USER);
        patch.extend(["runAsUser", "runAsGroup", "fsGroup"].map(id));
    }
    patch
}

/// Beside the folder of the chart's own configuration, where the reloader looks for changes as well.
fn mount() -> VolumeMount {
    VolumeMount {
        name: INCLUDED.to_owned(),
        mount_path: format!("/etc/{INCLUDED}"),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
