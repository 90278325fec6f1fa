//! The operator's Deployment without any value of a user: its pods and what they mount.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction, KeyToPath,
    ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, SeccompProfile,
    SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::CONTAINER;

/// The name of the port that serves metrics and probes.
pub(super) const PORT: &str = "metrics";

pub(super) const SIGNING: Mounted = Mounted {
    volume: "signing",
    folder: "/etc/fleet/signing",
    file: "manifest.key",
};
pub(super) const NATS: Mounted = Mounted {
    volume: "nats",
    folder: "/etc/fleet/nats",
    file: "seed",
};
pub(super) const NATS_CA: Mounted = Mounted {
    volume: "nats-ca",
    folder: "/etc/fleet/nats-ca",
    file: "ca.crt",
};

/// One key of a Secret as a file of the container.
pub(super) struct Mounted {
    pub(super) volume: &'static str,
    folder: &'static str,
    file: &'static str,
}

impl Mounted {
    /// The argument that names the file.
    pub(super) fn flag(&self, flag: &str) -> String {
        format!("--{flag}={}/{}", self.folder, self.file)
    }

    /// The Secret's name and key come from values. The file's name does not: a user's key may be
    /// called anything.
    fn volume(&self) -> Volume {
        Volume {
            name: self.volume.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(self.volume.to_owned()),
                // Readable for any user id, for none is known; only this container mounts it.
                default_mode: Some(0o444),
                items: Some(vec![KeyToPath {
                    key: self.file.to_owned(),
                    path: self.file.to_owned(),
                    mode: None,
                }]),
                // The pod waits for a Secret that is not there yet.
                optional: None,
            }),
            ..Volume::default()
        }
    }

    fn mount(&self) -> VolumeMount {
        VolumeMount {
            name: self.volume.to_owned(),
            mount_path: self.folder.to_owned(),
            read_only: Some(true),
            ..VolumeMount::default()
        }
    }
}

pub(super) fn base() -> Deployment {
    let some = || Some(BTreeMap::new());
    let metadata = ObjectMeta {
        name: Some(String::new()),
        namespace: Some(String::new()),
        labels: some(),
        annotations: some(),
        ..ObjectMeta::default()
    };
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            // The new pod warms its index while the old one leads; the old one gives the Lease back
            // when it ends, and the new one takes it.
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_surge: Some(IntOrString::Int(1)),
                    max_unavailable: Some(IntOrString::Int(0)),
                }),
            }),
            selector: LabelSelector {
                match_labels: some(),
                ..LabelSelector::default()
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: some(),
                    annotations: Some(annotations()),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod_spec()),
            },
            ..DeploymentSpec::default()
        }),
        ..Deployment::default()
    }
}

/// So that `kubectl logs` and `exec` need no `-c` where something is injected beside it.
fn annotations() -> BTreeMap<String, String> {
    let key = "kubectl.kubernetes.io/default-container";
    BTreeMap::from([(key.to_owned(), CONTAINER.to_owned())])
}

/// Neither a user nor a group is set anywhere: the image's own is numeric and not root, and
/// OpenShift assigns one of its namespace's range.
fn pod_spec() -> PodSpec {
    PodSpec {
        service_account_name: Some(String::new()),
        automount_service_account_token: Some(true),
        // The operator asks DNS for what it needs; one variable for each Service of the namespace
        // would only be noise.
        enable_service_links: Some(false),
        image_pull_secrets: Some(Vec::new()),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                localhost_profile: None,
            }),
            ..PodSecurityContext::default()
        }),
        priority_class_name: Some(String::new()),
        termination_grace_period_seconds: Some(30),
        node_selector: Some(BTreeMap::new()),
        tolerations: Some(Vec::new()),
        affinity: Some(k8s_openapi::api::core::v1::Affinity::default()),
        topology_spread_constraints: Some(Vec::new()),
        containers: vec![operator()],
        volumes: Some([SIGNING, NATS, NATS_CA].map(|m| m.volume()).to_vec()),
        ..PodSpec::default()
    }
}

fn operator() -> Container {
    Container {
        name: CONTAINER.to_owned(),
        image: Some(String::new()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        args: Some(vec![
            "run".to_owned(),
            SIGNING.flag("signing-key-file"),
            NATS.flag("nats-seed-file"),
        ]),
        env: Some(vec![
            from_field("FLEET_IDENTITY", "metadata.name"),
            from_field("FLEET_LEASE_NAMESPACE", "metadata.namespace"),
            EnvVar {
                name: "RUST_LOG".to_owned(),
                value: Some("info".to_owned()),
                value_from: None,
            },
        ]),
        ports: Some(vec![ContainerPort {
            name: Some(PORT.to_owned()),
            container_port: 8080,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        resources: Some(k8s_openapi::api::core::v1::ResourceRequirements::default()),
        liveness_probe: Some(asks("/healthz")),
        readiness_probe: Some(asks("/readyz")),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                add: None,
            }),
            read_only_root_filesystem: Some(true),
            run_as_non_root: Some(true),
            ..SecurityContext::default()
        }),
        volume_mounts: Some([SIGNING, NATS, NATS_CA].map(|m| m.mount()).to_vec()),
        ..Container::default()
    }
}

fn from_field(name: &str, path: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            field_ref: Some(ObjectFieldSelector {
                field_path: path.to_owned(),
                api_version: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}

fn asks(path: &str) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::String(PORT.to_owned()),
            ..HTTPGetAction::default()
        }),
        initial_delay_seconds: Some(0),
        period_seconds: Some(1),
        timeout_seconds: Some(1),
        failure_threshold: Some(1),
        ..Probe::default()
    }
}
