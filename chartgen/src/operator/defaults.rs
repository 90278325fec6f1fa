//! What holds where the user says nothing.

use chartgen::common::{
    Annotations, ExistingSecret, FreeForm, FreeFormList, Global, Image, Labels, Resources,
    ServiceAccount,
};

use super::people::values::People;
use super::values::{
    Devices, LeaderElection, Nats, NetworkPolicy, PrometheusRule, Rbac, Signing, UnenrolledLabels,
    Values,
};
use crate::crds::CrdValues;
use crate::workload::values::{Log, Metrics, PodDisruptionBudget, TopologySpread, probe_every};

impl Default for Values {
    fn default() -> Self {
        Self {
            global: Global::default(),
            name_override: String::new(),
            fullname_override: String::new(),
            common_labels: Labels::default(),
            common_annotations: Annotations::default(),
            crds: CrdValues::default(),
            replicas: 1,
            image: Image::of("localhost", "fleet-operator"),
            image_pull_secrets: Vec::new(),
            nats: Nats::default(),
            signing: Signing::default(),
            devices: Devices::default(),
            leader_election: LeaderElection::default(),
            log: Log::default(),
            service_account: ServiceAccount {
                automount: true,
                ..ServiceAccount::default()
            },
            rbac: Rbac {
                create: true,
                user_roles: true,
            },
            people: People::default(),
            resources: Resources::default()
                .request("cpu", "50m")
                .request("memory", "64Mi")
                .limit("memory", "1Gi"),
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
            network_policy: NetworkPolicy::default(),
            metrics: Metrics::default(),
            extra_args: Vec::new(),
            extra_env: FreeFormList::default(),
            extra_volumes: FreeFormList::default(),
            extra_volume_mounts: FreeFormList::default(),
            extra_objects: FreeFormList::default(),
        }
    }
}

impl Default for Nats {
    fn default() -> Self {
        Self {
            url: "nats://nats:4222".to_owned(),
            existing_secret: secret("fleet-operator-nats", "seed"),
            ca: ExistingSecret::with_key("ca.crt"),
            stream_replicas: 1,
        }
    }
}

impl Default for Signing {
    fn default() -> Self {
        Self {
            existing_secret: secret("fleet-operator-signing", "manifest.key"),
            announced_keys: Vec::new(),
            retired_keys: Vec::new(),
        }
    }
}

impl Default for Devices {
    fn default() -> Self {
        Self {
            heartbeat_period_seconds: 30,
            stale_after_seconds: 0,
            unenrolled_labels: UnenrolledLabels::Any,
        }
    }
}

impl Default for LeaderElection {
    fn default() -> Self {
        Self {
            lease_duration_seconds: 7,
        }
    }
}

impl Default for NetworkPolicy {
    fn default() -> Self {
        Self {
            enabled: false,
            // What `kubernetes.default` is translated to differs: 443 at most hosted clusters, 6443
            // elsewhere.
            api_server_ports: vec![443, 6443],
            nats_ports: vec![4222],
            metrics_from: FreeFormList::default(),
            extra_egress: FreeFormList::default(),
        }
    }
}

impl Default for PrometheusRule {
    fn default() -> Self {
        Self {
            enabled: false,
            labels: Labels::default(),
            stale_devices_percent: 10,
        }
    }
}

fn secret(name: &str, key: &str) -> ExistingSecret {
    ExistingSecret {
        name: name.to_owned(),
        key: key.to_owned(),
    }
}
