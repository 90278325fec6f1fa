//! Where in a chart's values the settings of pods are.

use chartgen::ValueRef;

/// The settings of all pods, also of those of Jobs.
#[derive(Debug, Clone)]
pub(crate) struct PodRefs<V> {
    pub(crate) account: ValueRef<V>,
    pub(crate) automount: ValueRef<V>,
    pub(crate) image: ValueRef<V>,
    pub(crate) pull_policy: ValueRef<V>,
    pub(crate) log_filter: ValueRef<V>,
    pub(crate) resources: ValueRef<V>,
    pub(crate) annotations: ValueRef<V>,
    pub(crate) labels: ValueRef<V>,
    pub(crate) security_context: ValueRef<V>,
    pub(crate) priority_class: ValueRef<V>,
    pub(crate) node_selector: ValueRef<V>,
    pub(crate) tolerations: ValueRef<V>,
    pub(crate) affinity: ValueRef<V>,
    pub(crate) extra_args: ValueRef<V>,
    pub(crate) extra_env: ValueRef<V>,
    pub(crate) extra_volumes: ValueRef<V>,
    pub(crate) extra_volume_mounts: ValueRef<V>,
}

/// The settings of a Deployment.
#[derive(Debug, Clone)]
pub(crate) struct DeploymentRefs<V> {
    pub(crate) pod: PodRefs<V>,
    pub(crate) replicas: ValueRef<V>,
    pub(crate) liveness: ProbeRefs<V>,
    pub(crate) readiness: ProbeRefs<V>,
    pub(crate) grace_period: ValueRef<V>,
    pub(crate) spread: ValueRef<V>,
    pub(crate) spread_constraints: ValueRef<V>,
    pub(crate) metrics_port: ValueRef<V>,
}

/// The settings of a probe.
#[derive(Debug, Clone)]
pub(crate) struct ProbeRefs<V> {
    pub(crate) initial_delay: ValueRef<V>,
    pub(crate) period: ValueRef<V>,
    pub(crate) timeout: ValueRef<V>,
    pub(crate) failure_threshold: ValueRef<V>,
}

/// The settings of pods, at the top of the values or in a group of them.
macro_rules! pod_refs {
    ($values:ty $(, $group:ident)?) => {
        $crate::workload::PodRefs {
            account: chartgen::v!($values, $($group.)? service_account),
            automount: chartgen::v!($values, $($group.)? service_account.automount),
            image: chartgen::v!($values, image),
            pull_policy: chartgen::v!($values, image.pull_policy),
            log_filter: chartgen::v!($values, log.filter),
            resources: chartgen::v!($values, $($group.)? resources),
            annotations: chartgen::v!($values, $($group.)? pod_annotations),
            labels: chartgen::v!($values, $($group.)? pod_labels),
            security_context: chartgen::v!($values, $($group.)? pod_security_context),
            priority_class: chartgen::v!($values, $($group.)? priority_class_name),
            node_selector: chartgen::v!($values, $($group.)? node_selector),
            tolerations: chartgen::v!($values, $($group.)? tolerations),
            affinity: chartgen::v!($values, $($group.)? affinity),
            extra_args: chartgen::v!($values, $($group.)? extra_args),
            extra_env: chartgen::v!($values, $($group.)? extra_env),
            extra_volumes: chartgen::v!($values, $($group.)? extra_volumes),
            extra_volume_mounts: chartgen::v!($values, $($group.)? extra_volume_mounts),
        }
    };
}
pub(crate) use pod_refs;

/// The settings of a Deployment, at the top of the values or in a group of them.
macro_rules! deployment_refs {
    ($values:ty $(, $group:ident)?) => {
        $crate::workload::DeploymentRefs {
            pod: $crate::workload::pod_refs!($values $(, $group)?),
            replicas: chartgen::v!($values, $($group.)? replicas),
            liveness: $crate::workload::ProbeRefs {
                initial_delay: chartgen::v!($values, $($group.)? liveness_probe.initial_delay_seconds),
                period: chartgen::v!($values, $($group.)? liveness_probe.period_seconds),
                timeout: chartgen::v!($values, $($group.)? liveness_probe.timeout_seconds),
                failure_threshold: chartgen::v!($values, $($group.)? liveness_probe.failure_threshold),
            },
            readiness: $crate::workload::ProbeRefs {
                initial_delay: chartgen::v!($values, $($group.)? readiness_probe.initial_delay_seconds),
                period: chartgen::v!($values, $($group.)? readiness_probe.period_seconds),
                timeout: chartgen::v!($values, $($group.)? readiness_probe.timeout_seconds),
                failure_threshold: chartgen::v!($values, $($group.)? readiness_probe.failure_threshold),
            },
            grace_period: chartgen::v!($values, $($group.)? termination_grace_period_seconds),
            spread: chartgen::v!($values, $($group.)? topology_spread.enabled),
            spread_constraints: chartgen::v!($values, $($group.)? topology_spread.constraints),
            metrics_port: chartgen::v!($values, metrics.port),
        }
    };
}
pub(crate) use deployment_refs;
