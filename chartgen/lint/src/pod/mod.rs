//! Pods, wherever they are in an object, and what two admission rule sets say to them.
//!
//! - [`restricted`]: the level `restricted` of the Pod Security Standards.
//! - [`openshift`]: OpenShift's security context constraint restricted-v2, which first fills in
//!   what is missing and then checks.

pub mod openshift;
pub mod restricted;

mod hygiene;

use serde_json::Value;

pub use openshift::Range;

use crate::object::Object;
use crate::options::Options;
use crate::report::Finding;
use crate::rule::Rule;
use crate::value::{at, list, text};

/// A pod, or the template of one.
#[derive(Debug, Clone, Copy)]
pub struct Pod<'a> {
    /// Name, labels and annotations.
    pub metadata: &'a Value,
    /// The `PodSpec`.
    pub spec: &'a Value,
}

/// A rule that a pod breaks.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// The container, unless it is about the pod as a whole.
    pub container: Option<String>,
    /// What is wrong.
    pub message: String,
}

impl Violation {
    fn of_pod(rule: Rule, message: impl Into<String>) -> Self {
        Self {
            rule,
            container: None,
            message: message.into(),
        }
    }

    fn of_container(rule: Rule, container: &Value, message: impl Into<String>) -> Self {
        let container = Some(text(container, "name").to_owned());
        Self {
            rule,
            container,
            message: message.into(),
        }
    }
}

/// Where containers are in a pod.
const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

static NOTHING: Value = Value::Null;

impl<'a> Pod<'a> {
    /// The pod in a value with `metadata` and `spec`.
    pub fn of(value: &'a Value) -> Self {
        Self {
            metadata: value.get("metadata").unwrap_or(&NOTHING),
            spec: value.get("spec").unwrap_or(&NOTHING),
        }
    }

    /// The pod that an object is, or makes.
    pub fn in_object(object: &'a Object) -> Option<Self> {
        let path = match (object.group(), object.kind()) {
            ("", "Pod") => return Some(Self::of(&object.value)),
            ("", "PodTemplate") => "template",
            ("", "ReplicationController")
            | ("apps", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
            | ("batch", "Job") => "spec.template",
            ("batch", "CronJob") => "spec.jobTemplate.spec.template",
            _ => return None,
        };
        Some(Self::of(at(&object.value, path)?))
    }

    /// All containers: init, ordinary, ephemeral.
    pub fn containers(self) -> impl Iterator<Item = &'a Value> {
        CONTAINER_LISTS
            .into_iter()
            .flat_map(move |name| list(self.spec, name))
    }

    /// An annotation; empty when it is not there.
    fn annotation(self, name: &str) -> &'a str {
        let annotations = self.metadata.get("annotations");
        let value = annotations.and_then(|all| all.get(name));
        value.and_then(Value::as_str).unwrap_or_default()
    }
}

/// Which sources a volume has; none means `emptyDir`, as the API server fills in.
fn volume_sources(volume: &Value) -> impl Iterator<Item = &str> {
    let members = volume.as_object().into_iter().flatten();
    members
        .filter(|(name, source)| *name != "name" && !source.is_null())
        .map(|(name, _)| name.as_str())
}

/// Volume types without a way to the node or to storage outside the cluster's control.
const SAFE_VOLUMES: [&str; 9] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "image",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// Kernel settings that concern the pod alone (Kubernetes 1.32 and later).
const SAFE_SYSCTLS: [&str; 12] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
];

/// What both rule sets forbid in the same way, each under rules of its own.
struct Shared {
    host_namespaces: Rule,
    host_ports: Rule,
    privileged: Rule,
    volumes: Rule,
    sysctls: Rule,
}

impl Shared {
    fn check(&self, pod: Pod<'_>, found: &mut Vec<Violation>) {
        for name in ["hostNetwork", "hostPID", "hostIPC"] {
            if crate::value::is_true(pod.spec, name) {
                found.push(Violation::of_pod(
                    self.host_namespaces,
                    format!("{name} is true"),
                ));
            }
        }
        for volume in list(pod.spec, "volumes") {
            for source in volume_sources(volume).filter(|name| !SAFE_VOLUMES.contains(name)) {
                let name = text(volume, "name");
                let message = format!("volume {name:?} is of type {source}");
                found.push(Violation::of_pod(self.volumes, message));
            }
        }
        for sysctl in list(pod.spec, "securityContext.sysctls") {
            let name = text(sysctl, "name");
            if !SAFE_SYSCTLS.contains(&name) {
                found.push(Violation::of_pod(
                    self.sysctls,
                    format!("sets the sysctl {name}"),
                ));
            }
        }
        for container in pod.containers() {
            if crate::value::is_true(container, "securityContext.privileged") {
                found.push(Violation::of_container(
                    self.privileged,
                    container,
                    "is privileged",
                ));
            }
            for port in list(container, "ports") {
                if let Some(port) = crate::value::number(port, "hostPort").filter(|port| *port != 0)
                {
                    let message = format!("uses port {port} of the node");
                    found.push(Violation::of_container(self.host_ports, container, message));
                }
            }
        }
    }
}

pub(crate) fn lint(object: &Object, options: &Options) -> Vec<Finding> {
    let Some(pod) = Pod::in_object(object) else {
        return Vec::new();
    };
    let mut found = restricted::check(pod);
    if let Some(range) = &options.openshift {
        found.extend(openshift::check(pod, range));
    }
    found.extend(hygiene::check(object, pod));
    let finding = |violation: Violation| Finding {
        container: violation.container,
        ..Finding::new(violation.rule, object, violation.message)
    };
    found.into_iter().map(finding).collect()
}
