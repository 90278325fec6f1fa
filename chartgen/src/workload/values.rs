//! Values of everything that runs as pods. Their comments are read by whoever installs a chart.

use std::collections::BTreeMap;

use chartgen::common::{
    Annotations, FreeForm, FreeFormList, IntOrString, Labels, Probe, Resources, ServiceAccount,
};
use schemars::JsonSchema;
use serde::Serialize;

/// The start of names, and a label's value: no dots, which Services may not have.
pub(crate) const NAME: &str = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?)?$";
/// The name of a Service begins with a letter.
pub(crate) const FULL_NAME: &str = "^([a-z]([-a-z0-9]*[a-z0-9])?)?$";
/// The name of most objects.
pub(crate) const OBJECT_NAME: &str =
    r"^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$";
/// `nats://host:port` or `tls://host:port`, several separated by commas.
pub(crate) const NATS_URL: &str = r"^(nats|tls)://[^,\s]+(,(nats|tls)://[^,\s]+)*$";
/// 32 bytes in base64.
pub(crate) const PUBLIC_KEY: &str = "^[A-Za-z0-9+/]{43}=$";

/// The pods of one program.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// Whether it is installed.
    pub enabled: bool,
    /// How many pods run.
    #[schemars(range(min = 0, max = 9))]
    pub replicas: u32,
    /// The account that the pods run as.
    pub service_account: ServiceAccount,
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
    /// Seconds a pod has to answer what it was asked and end.
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
    /// Further arguments; `--help` of the program lists them.
    pub extra_args: Vec<String>,
    /// Further environment variables, such as `{name: RUST_LOG, value: debug}`.
    pub extra_env: FreeFormList,
    /// Further volumes of pods.
    pub extra_volumes: FreeFormList,
    /// Further mounts of the container.
    pub extra_volume_mounts: FreeFormList,
}

impl Default for Workload {
    fn default() -> Self {
        Self {
            enabled: true,
            replicas: 1,
            service_account: ServiceAccount::default(),
            resources: Resources::default(),
            liveness_probe: probe_every(20),
            readiness_probe: probe_every(2),
            pod_annotations: Annotations::default(),
            pod_labels: Labels::default(),
            pod_security_context: FreeForm::default(),
            priority_class_name: String::new(),
            termination_grace_period_seconds: 30,
            node_selector: Labels::default(),
            tolerations: FreeFormList::default(),
            affinity: FreeForm::default(),
            topology_spread: TopologySpread::default(),
            pod_disruption_budget: PodDisruptionBudget::default(),
            extra_args: Vec::new(),
            extra_env: FreeFormList::default(),
            extra_volumes: FreeFormList::default(),
            extra_volume_mounts: FreeFormList::default(),
        }
    }
}

/// The pods of a Job, which runs again whenever a value or the chart's version changes, and then
/// changes nothing that is right.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Task {
    /// Whether it is installed.
    pub enabled: bool,
    /// The account that the pods run as.
    pub service_account: ServiceAccount,
    /// Processor and memory of a pod.
    pub resources: Resources,
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
    /// Labels of nodes that pods may run on.
    pub node_selector: Labels,
    /// Taints that pods tolerate.
    pub tolerations: FreeFormList,
    /// Which nodes and which other pods pods like or avoid.
    pub affinity: FreeForm,
    /// Further arguments; `--help` of the program lists them.
    pub extra_args: Vec<String>,
    /// Further environment variables, such as `{name: RUST_LOG, value: debug}`.
    pub extra_env: FreeFormList,
    /// Further volumes of pods.
    pub extra_volumes: FreeFormList,
    /// Further mounts of the container.
    pub extra_volume_mounts: FreeFormList,
}

impl Default for Task {
    fn default() -> Self {
        Self {
            enabled: true,
            service_account: ServiceAccount {
                automount: true,
                ..ServiceAccount::default()
            },
            resources: Resources::default()
                .request("cpu", "10m")
                .request("memory", "16Mi")
                .limit("memory", "64Mi"),
            pod_annotations: Annotations::default(),
            pod_labels: Labels::default(),
            pod_security_context: FreeForm::default(),
            priority_class_name: String::new(),
            node_selector: Labels::default(),
            tolerations: FreeFormList::default(),
            affinity: FreeForm::default(),
            extra_args: Vec::new(),
            extra_env: FreeFormList::default(),
            extra_volumes: FreeFormList::default(),
            extra_volume_mounts: FreeFormList::default(),
        }
    }
}

/// Patient with a busy node: a probe that ends too early restarts what only waits for its turn.
pub(crate) fn probe_every(seconds: u16) -> Probe {
    Probe {
        period_seconds: seconds,
        timeout_seconds: 3,
        ..Probe::default()
    }
}

/// How replicas are spread over the cluster.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TopologySpread {
    /// Prefer nodes and zones without a replica.
    pub enabled: bool,
    /// Constraints instead of those.
    pub constraints: FreeFormList,
}

impl Default for TopologySpread {
    fn default() -> Self {
        Self {
            enabled: true,
            constraints: FreeFormList::default(),
        }
    }
}

/// How many replicas must stay while nodes are drained.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodDisruptionBudget {
    /// Make a budget where there is more than one replica.
    pub enabled: bool,
    /// How many may be missing, or a share such as `50%`.
    #[schemars(range(min = 0), regex(pattern = "^(100|[1-9]?[0-9])%$"))]
    pub max_unavailable: IntOrString,
}

impl Default for PodDisruptionBudget {
    fn default() -> Self {
        Self {
            enabled: true,
            max_unavailable: IntOrString::Int(1),
        }
    }
}

/// What is logged.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Log {
    /// For machines or for people.
    pub format: LogFormat,
    /// What is logged, such as `info` or `info,fleet_operator=debug`.
    pub filter: String,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            format: LogFormat::Json,
            filter: "info".to_owned(),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// The Service of the metrics.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetricsService {
    /// Make it.
    pub enabled: bool,
    /// Its annotations.
    pub annotations: Annotations,
}

impl Default for MetricsService {
    fn default() -> Self {
        Self {
            enabled: true,
            annotations: Annotations::default(),
        }
    }
}

/// What the Prometheus operator shall scrape.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceMonitor {
    /// Make it; needs the Prometheus operator's definitions and `metrics.service.enabled`.
    pub enabled: bool,
    /// Its labels, by which a Prometheus selects it.
    pub labels: Labels,
    /// How often, such as `30s`.
    #[schemars(regex(pattern = r"^([0-9]+(ms|s|m|h))+$"))]
    pub interval: String,
}

impl Default for ServiceMonitor {
    fn default() -> Self {
        Self {
            enabled: false,
            labels: Labels::default(),
            interval: "30s".to_owned(),
        }
    }
}

/// A dashboard of Grafana.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DashboardValues {
    /// Make a `ConfigMap` with it, for a Grafana whose sidecar gathers dashboards. The same lies in the
    /// chart's folder `dashboards`, to be imported by hand.
    pub enabled: bool,
    /// Its labels, by which the sidecar finds it.
    pub labels: Labels,
    /// Its annotations, such as the sidecar's `grafana_folder`.
    pub annotations: Annotations,
}

impl Default for DashboardValues {
    fn default() -> Self {
        let label = ("grafana_dashboard".to_owned(), "1".to_owned());
        Self {
            enabled: false,
            labels: Labels(BTreeMap::from([label])),
            annotations: Annotations::default(),
        }
    }
}

/// Metrics. `R` is the alerts.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metrics<R> {
    /// The port of `/metrics`, `/healthz` and `/readyz`.
    #[schemars(range(min = 1024))]
    pub port: u16,
    /// The Service.
    pub service: MetricsService,
    /// For the Prometheus operator: what to scrape.
    pub service_monitor: ServiceMonitor,
    /// For the Prometheus operator: alerts.
    pub prometheus_rule: R,
    /// For Grafana: a dashboard.
    pub dashboard: DashboardValues,
}

impl<R: Default> Default for Metrics<R> {
    fn default() -> Self {
        Self {
            port: 8080,
            service: MetricsService::default(),
            service_monitor: ServiceMonitor::default(),
            prometheus_rule: R::default(),
            dashboard: DashboardValues::default(),
        }
    }
}

/// Alerts.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PrometheusRule {
    /// Make them; needs the Prometheus operator's definitions.
    pub enabled: bool,
    /// Their labels, by which a Prometheus selects them.
    pub labels: Labels,
}
