//! What restricted-v2 refuses, after everything was filled in.

use serde_json::{Value, json};

use super::{IdRange, constraints};

/// Volume types of the constraint.
const VOLUMES: [&str; 9] = [
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

/// Kernel settings that Kubernetes calls safe.
const SYSCTLS: [&str; 12] = [
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

pub(super) fn policy(range: IdRange) -> Value {
    let checks = pod_checks(range).into_iter().chain(container_checks(range));
    let validations: Vec<_> = checks
        .map(|(expression, message)| {
            json!({"expression": expression, "message": format!("restricted-v2: {message}")})
        })
        .collect();
    json!({
        "failurePolicy": "Fail",
        "matchConstraints": constraints(&["CREATE", "UPDATE"], &["pods", "pods/ephemeralcontainers"]),
        "variables": variables(),
        "validations": validations,
    })
}

/// Containers of all three lists. Ephemeral ones are of another type, so they go through `dyn`.
fn variables() -> Value {
    let list =
        |name: &str| format!("(has(object.spec.{name}) ? dyn(object.spec.{name}) : dyn([]))");
    let all = ["containers", "initContainers", "ephemeralContainers"].map(list);
    let contexts = "variables.all.filter(c, has(c.securityContext)).map(c, c.securityContext)";
    json!([
        {"name": "all", "expression": all.join(" + ")},
        {"name": "contexts", "expression": contexts},
        {"name": "pod", "expression": "has(object.spec.securityContext) ? dyn(object.spec.securityContext) : dyn({})"},
    ])
}

type Check = (String, String);

fn pod_checks(range: IdRange) -> Vec<Check> {
    let mut checks: Vec<Check> = ["hostNetwork", "hostPID", "hostIPC"]
        .into_iter()
        .map(|name| {
            let expression = format!("!has(object.spec.{name}) || !object.spec.{name}");
            (expression, format!("{name} is not allowed to be used"))
        })
        .collect();
    let volumes = VOLUMES.map(|name| format!("has(v.{name})")).join(" || ");
    let sysctls = json!(SYSCTLS);
    let start = range.start;
    checks.extend([
        (
            format!("!has(object.spec.volumes) || object.spec.volumes.all(v, {volumes})"),
            "a volume's type is not allowed to be used".to_owned(),
        ),
        (
            format!("!has(variables.pod.fsGroup) || variables.pod.fsGroup == {start}"),
            format!("fsGroup must be {start}"),
        ),
        (
            format!("!has(variables.pod.sysctls) || variables.pod.sysctls.all(s, s.name in {sysctls})"),
            "an unsafe sysctl is not allowed".to_owned(),
        ),
        (
            "!has(variables.pod.seLinuxOptions)".to_owned(),
            "seLinuxOptions are those of the namespace".to_owned(),
        ),
        (
            "!has(variables.pod.seccompProfile) || variables.pod.seccompProfile.type == \"RuntimeDefault\"".to_owned(),
            "the pod's seccomp profile must be RuntimeDefault".to_owned(),
        ),
        (
            "!has(object.metadata.annotations) || object.metadata.annotations.all(name, \
             !(name == \"seccomp.security.alpha.kubernetes.io/pod\" || \
             name.startsWith(\"container.seccomp.security.alpha.kubernetes.io/\")) || \
             object.metadata.annotations[name] in [\"runtime/default\", \"docker/default\"])".to_owned(),
            "a seccomp annotation must be runtime/default".to_owned(),
        ),
    ]);
    checks
}

fn container_checks(range: IdRange) -> Vec<Check> {
    let (start, last) = (range.start, range.last());
    let in_range = |user: &str| format!("({user} >= {start} && {user} <= {last})");
    let own = in_range("c.securityContext.runAsUser");
    let of_pod = in_range("variables.pod.runAsUser");
    let each = |expression: &str| format!("variables.contexts.all(s, {expression})");
    vec![
        (
            // A container's own user counts, and the pod's only where it has none.
            format!(
                "variables.all.all(c, has(c.securityContext) && has(c.securityContext.runAsUser) \
                 ? {own} : (!has(variables.pod.runAsUser) || {of_pod}))"
            ),
            format!("runAsUser must be in the ranges: [{start}, {last}]"),
        ),
        (
            each("!has(s.privileged) || !s.privileged"),
            "privileged containers are not allowed".to_owned(),
        ),
        (
            each("!has(s.allowPrivilegeEscalation) || !s.allowPrivilegeEscalation"),
            "allowing privilege escalation is not allowed".to_owned(),
        ),
        (
            each(
                "!has(s.capabilities) || !has(s.capabilities.add) || \
                 s.capabilities.add.all(name, name == \"NET_BIND_SERVICE\")",
            ),
            "only the capability NET_BIND_SERVICE may be added".to_owned(),
        ),
        (
            each("!has(s.seccompProfile) || s.seccompProfile.type == \"RuntimeDefault\""),
            "a container's seccomp profile must be RuntimeDefault".to_owned(),
        ),
        (
            each("!has(s.seLinuxOptions)"),
            "a container's seLinuxOptions are those of the namespace".to_owned(),
        ),
        (
            "variables.all.all(c, !has(c.ports) || c.ports.all(p, !has(p.hostPort) || p.hostPort == 0))".to_owned(),
            "host ports are not allowed to be used".to_owned(),
        ),
    ]
}
