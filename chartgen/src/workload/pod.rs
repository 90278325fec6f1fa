//! Pods without any value of a user: restricted, and the same wherever they run.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, ContainerPort, EnvVar, EnvVarSource, HTTPGetAction,
    ObjectFieldSelector, PodSecurityContext, PodSpec, PodTemplateSpec, Probe, ResourceRequirements,
    SeccompProfile, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::{Mounted, Program, metadata};

/// The name of the port that serves metrics and probes.
pub(crate) const PORT: &str = "metrics";

/// A container of ours.
#[derive(Debug, Clone)]
pub(crate) struct Shape<'a> {
    /// What runs.
    pub(crate) program: Program,
    /// What it is told, whatever the values say.
    pub(crate) args: Vec<String>,
    /// Variables of its environment beside `RUST_LOG`.
    pub(crate) env: Vec<EnvVar>,
    /// Ports beside that of the metrics.
    pub(crate) ports: Vec<ContainerPort>,
    /// The files it reads.
    pub(crate) files: &'a [Mounted],
}

impl Shape<'_> {
    /// A Deployment of it, which serves metrics and probes.
    pub(crate) fn deployment(&self) -> Deployment {
        let mut container = self.container();
        let metrics = ContainerPort {
            name: Some(PORT.to_owned()),
            container_port: 8080,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        };
        let ports = [metrics].into_iter().chain(self.ports.iter().cloned());
        container.ports = Some(ports.collect());
        container.liveness_probe = Some(asks("/healthz"));
        container.readiness_probe = Some(asks("/readyz"));
        Deployment {
            metadata: metadata::namespaced(),
            spec: Some(DeploymentSpec {
                replicas: Some(1),
                // The new pod warms up while the old one works; the old one gives a lead back when
                // it ends, and the new one takes it.
                strategy: Some(DeploymentStrategy {
                    type_: Some("RollingUpdate".to_owned()),
                    rolling_update: Some(RollingUpdateDeployment {
                        max_surge: Some(IntOrString::Int(1)),
                        max_unavailable: Some(IntOrString::Int(0)),
                    }),
                }),
                selector: metadata::selector(),
                template: self.template(PodSpec {
                    termination_grace_period_seconds: Some(30),
                    topology_spread_constraints: Some(Vec::new()),
                    ..self.spec(container)
                }),
                ..DeploymentSpec::default()
            }),
            ..Deployment::default()
        }
    }

    /// A Job of it, which goes on until it succeeds: what it waits for comes later.
    pub(crate) fn job(&self) -> Job {
        Job {
            metadata: metadata::namespaced(),
            spec: Some(JobSpec {
                backoff_limit: Some(i32::from(u8::MAX)),
                template: self.template(PodSpec {
                    restart_policy: Some("OnFailure".to_owned()),
                    ..self.spec(self.container())
                }),
                ..JobSpec::default()
            }),
            ..Job::default()
        }
    }

    fn template(&self, spec: PodSpec) -> PodTemplateSpec {
        PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(BTreeMap::new()),
                annotations: Some(self.annotations()),
                ..ObjectMeta::default()
            }),
            spec: Some(spec),
        }
    }

    /// So that `kubectl logs` and `exec` need no `-c` where something is injected beside it.
    fn annotations(&self) -> BTreeMap<String, String> {
        let key = "kubectl.kubernetes.io/default-container";
        BTreeMap::from([(key.to_owned(), self.program.container.to_owned())])
    }

    /// Neither a user nor a group is set anywhere: the image's own is numeric and not root, and
    /// OpenShift assigns one of its namespace's range.
    fn spec(&self, container: Container) -> PodSpec {
        PodSpec {
            service_account_name: Some(String::new()),
            automount_service_account_token: Some(true),
            // Programs ask DNS for what they need; one variable for each Service of the namespace
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
            node_selector: Some(BTreeMap::new()),
            tolerations: Some(Vec::new()),
            affinity: Some(Affinity::default()),
            containers: vec![container],
            volumes: Some(self.files.iter().map(Mounted::volume).collect()),
            ..PodSpec::default()
        }
    }

    fn container(&self) -> Container {
        let filter = EnvVar {
            name: "RUST_LOG".to_owned(),
            value: Some("info".to_owned()),
            value_from: None,
        };
        Container {
            name: self.program.container.to_owned(),
            image: Some(String::new()),
            image_pull_policy: Some("IfNotPresent".to_owned()),
            args: Some(self.args.clone()),
            env: Some(self.env.iter().cloned().chain([filter]).collect()),
            resources: Some(ResourceRequirements::default()),
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
            volume_mounts: Some(self.files.iter().map(Mounted::mount).collect()),
            ..Container::default()
        }
    }
}

/// A variable of the environment that the pod itself answers.
pub(crate) fn from_field(name: &str, path: &str) -> EnvVar {
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
