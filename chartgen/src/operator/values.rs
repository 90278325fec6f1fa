//! The values of the operator's chart.

use chartgen::common::{
    Annotations, ExistingSecret, FreeForm, FreeFormList, Global, Image, Labels, Probe, PullSecret,
    Resources, ServiceAccount,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::people::values::People;
use crate::crds::CrdValues;
use crate::workload::values::{
    FULL_NAME, Log, Metrics, NAME, NATS_URL, OBJECT_NAME, PUBLIC_KEY, PodDisruptionBudget,
    TopologySpread,
};

/// All of them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Values {
    /// Settings shared with other charts of an umbrella.
    pub global: Global,
    /// Instead of the chart's name in the names of objects.
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub name_override: String,
    /// Instead of release and chart name in the names of objects.
    #[schemars(regex(pattern = FULL_NAME), length(max = 63))]
    pub fullname_override: String,
    /// Labels for every object.
    pub common_labels: Labels,
    /// Annotations for every object.
    pub common_annotations: Annotations,

    /// The custom resource definitions.
    pub crds: CrdValues,

    /// How many operators run. One leads; the others take over within a second when it is stopped,
    /// and within `leaderElection.leaseDurationSeconds` and a third more when it is lost.
    #[schemars(range(min = 0, max = 9))]
    pub replicas: u32,
    /// The operator's image.
    pub image: Image,
    /// Secrets with the login of the image's registry, each as `{name: …}`.
    pub image_pull_secrets: Vec<PullSecret>,

    /// The bus.
    pub nats: Nats,
    /// The key that signs what devices are told to run.
    pub signing: Signing,
    /// What is expected of devices.
    pub devices: Devices,
    /// How replicas agree on a leader.
    pub leader_election: LeaderElection,
    /// What the operator logs.
    pub log: Log,

    /// The account that the operator's pods run as.
    pub service_account: ServiceAccount,
    /// Roles.
    pub rbac: Rbac,
    /// Groups of people and what they may do, by roles of this chart. How people log in:
    /// docs/people.md.
    pub people: People,

    /// Processor and memory of a pod.
    pub resources: Resources,
    /// When a pod is restarted.
    pub liveness_probe: Probe,
    /// When a pod counts as ready.
    pub readiness_probe: Probe,
    /// Annotations of pods.
    pub pod_annotations: Annotations,
    /// Labels of pods.
    pub pod_labels: Labels,
    /// Further fields of the pods' `securityContext`. Leave user and group ids out on OpenShift,
    /// which assigns them.
    pub pod_security_context: FreeForm,
    /// The pods' priority class.
    #[schemars(regex(pattern = OBJECT_NAME), length(max = 253))]
    pub priority_class_name: String,
    /// Seconds a pod has to give back the lead and end.
    #[schemars(range(min = 1))]
    pub termination_grace_period_seconds: u32,
    /// Labels of nodes that pods may run on.
    pub node_selector: Labels,
    /// Taints that pods tolerate.
    pub tolerations: FreeFormList,
    /// Which nodes and which other pods pods like or avoid.
    pub affinity: FreeForm,
    /// How replicas are spread over the cluster.
    pub topology_spread: TopologySpread,
    /// How many replicas must stay while nodes are drained.
    pub pod_disruption_budget: PodDisruptionBudget,
    /// What may reach pods, and what they may reach.
    pub network_policy: NetworkPolicy,

    /// Metrics.
    pub metrics: Metrics<PrometheusRule>,

    /// Further arguments of the operator; `fleet-operator run --help` lists them.
    pub extra_args: Vec<String>,
    /// Further environment variables, such as `{name: RUST_LOG, value: debug}`.
    pub extra_env: FreeFormList,
    /// Further volumes of pods.
    pub extra_volumes: FreeFormList,
    /// Further mounts of the operator's container.
    pub extra_volume_mounts: FreeFormList,
    /// Further objects to install, whose strings are templates.
    pub extra_objects: FreeFormList,
}

/// The bus.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nats {
    /// `nats://host:port` or `tls://host:port`, several separated by commas.
    #[schemars(regex(pattern = NATS_URL))]
    pub url: String,
    /// The Secret with the operator's nkey seed.
    pub existing_secret: ExistingSecret,
    /// The Secret with the certificate authority of the server. Without a name, the server's
    /// certificate must be one of a public authority, or the URL begin with `nats://`.
    pub ca: ExistingSecret,
    /// Copies of each stream: 1, or 3 in a NATS cluster.
    #[schemars(range(min = 1, max = 5))]
    pub stream_replicas: u32,
}

/// The key that signs what devices are told to run.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signing {
    /// The Secret with the key: 32 bytes in base64.
    pub existing_secret: ExistingSecret,
    /// Public keys that devices shall trust from now on beside those they know: the first step of
    /// changing the key.
    #[schemars(inner(regex(pattern = PUBLIC_KEY)))]
    pub announced_keys: Vec<String>,
    /// Public keys that devices shall not trust any more, however they came to know them: the last
    /// step of changing the key.
    #[schemars(inner(regex(pattern = PUBLIC_KEY)))]
    pub retired_keys: Vec<String>,
}

/// What is expected of devices.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Devices {
    /// Seconds between two signs of life, as the agents are configured.
    #[schemars(range(min = 1))]
    pub heartbeat_period_seconds: u32,
    /// Seconds of silence after which a device is stale; 0 stands for two periods.
    pub stale_after_seconds: u32,
    /// The labels that a device may claim which has no enrolment. `none` is right where every device
    /// enrols.
    pub unenrolled_labels: UnenrolledLabels,
}

/// The labels that a device may claim which has no enrolment.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum UnenrolledLabels {
    /// Any label.
    Any,
    /// None but its id.
    None,
}

/// How replicas agree on a leader.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaderElection {
    /// Seconds after which the lead of a lost replica may be taken. More where the API server may be
    /// away for long: nobody leads after two thirds of this without it.
    #[schemars(range(min = 3))]
    pub lease_duration_seconds: u32,
}

/// Roles.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rbac {
    /// Make the operator's roles and bindings.
    pub create: bool,
    /// Make roles for people. Those about Deployments join Kubernetes' view, edit and admin.
    pub user_roles: bool,
}

/// What may reach pods, and what they may reach.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicy {
    /// Allow only what the operator needs: metrics and probes in; name resolution, the API server
    /// and NATS out.
    pub enabled: bool,
    /// Ports of the API server, after translation by its Service.
    #[schemars(inner(range(min = 1)))]
    pub api_server_ports: Vec<u16>,
    /// Ports of NATS.
    #[schemars(inner(range(min = 1)))]
    pub nats_ports: Vec<u16>,
    /// Who may read metrics, as a list of `NetworkPolicy` peers; empty: everyone.
    pub metrics_from: FreeFormList,
    /// Further rules for what pods may reach.
    pub extra_egress: FreeFormList,
}

/// Alerts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusRule {
    /// Make them; needs the Prometheus operator's definitions.
    pub enabled: bool,
    /// Their labels, by which a Prometheus selects them.
    pub labels: Labels,
    /// The share of devices, in percent, whose silence is worth waking somebody.
    #[schemars(range(min = 1, max = 100))]
    pub stale_devices_percent: u32,
}
