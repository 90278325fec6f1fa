//! Pod Security, level `restricted`, as Kubernetes 1.36 enforces it.
//!
//! It checks and changes nothing: what a pod does not say counts as the default of the container
//! runtime. `hostUsers: false` relaxes the two rules about root (since 1.35), and Windows pods are
//! exempt from what Windows does not have.

use serde_json::Value;

use super::{Pod, Shared, Violation};
use crate::rule::Rule;
use crate::value::{at, flag, is_true, number, text, texts};

const SHARED: Shared = Shared {
    host_namespaces: Rule::PsaHostNamespaces,
    host_ports: Rule::PsaHostPorts,
    privileged: Rule::PsaPrivileged,
    volumes: Rule::PsaVolumes,
    sysctls: Rule::PsaSysctls,
};

const SELINUX_TYPES: [&str; 5] = [
    "",
    "container_t",
    "container_init_t",
    "container_kvm_t",
    "container_engine_t",
];

const APPARMOR_ANNOTATION: &str = "container.apparmor.security.beta.kubernetes.io/";

/// What the level `restricted` would refuse about a pod.
pub fn check(pod: Pod<'_>) -> Vec<Violation> {
    let mut found = Vec::new();
    SHARED.check(pod, &mut found);
    host_probes(pod, &mut found);
    app_armor(pod, &mut found);
    se_linux(pod, &mut found);
    proc_mount(pod, &mut found);
    windows_host_process(pod, &mut found);
    if flag(pod.spec, "hostUsers") != Some(false) {
        run_as_non_root(pod, &mut found);
        run_as_user(pod, &mut found);
    }
    if text(pod.spec, "os.name") != "windows" {
        privilege_escalation(pod, &mut found);
        capabilities(pod, &mut found);
        seccomp(pod, &mut found);
    }
    found
}

/// The pod itself and each container: whatever can have a security context.
fn contexts(pod: Pod<'_>) -> impl Iterator<Item = (Option<String>, &Value)> {
    let of_pod = at(pod.spec, "securityContext").map(|context| (None, context));
    let of_containers = pod.containers().filter_map(|container| {
        let name = text(container, "name").to_owned();
        Some((Some(name), at(container, "securityContext")?))
    });
    of_pod.into_iter().chain(of_containers)
}

fn host_probes(pod: Pod<'_>, found: &mut Vec<Violation>) {
    const HANDLERS: [&str; 5] = [
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle.postStart",
        "lifecycle.preStop",
    ];
    for container in pod.containers() {
        for handler in HANDLERS {
            for action in ["httpGet", "tcpSocket"] {
                let host = text(container, &format!("{handler}.{action}.host"));
                if !host.is_empty() {
                    let message = format!("{handler} asks the host {host}");
                    found.push(Violation::of_container(
                        Rule::PsaHostProbes,
                        container,
                        message,
                    ));
                }
            }
        }
    }
}

fn app_armor(pod: Pod<'_>, found: &mut Vec<Violation>) {
    for (container, context) in contexts(pod) {
        let Some(profile) = at(context, "appArmorProfile") else {
            continue;
        };
        let kind = text(profile, "type");
        if !["RuntimeDefault", "Localhost"].contains(&kind) {
            let message = format!("appArmorProfile.type is {kind:?}");
            found.push(Violation {
                rule: Rule::PsaAppArmor,
                container,
                message,
            });
        }
    }
    for (name, value) in crate::value::entries(pod.metadata, "annotations") {
        let Some(container) = name.strip_prefix(APPARMOR_ANNOTATION) else {
            continue;
        };
        let profile = value.as_str().unwrap_or_default();
        let allowed =
            ["", "runtime/default"].contains(&profile) || profile.starts_with("localhost/");
        if !allowed {
            let container = Some(container.to_owned());
            let message = format!("its AppArmor annotation is {profile:?}");
            found.push(Violation {
                rule: Rule::PsaAppArmor,
                container,
                message,
            });
        }
    }
}

fn se_linux(pod: Pod<'_>, found: &mut Vec<Violation>) {
    for (container, context) in contexts(pod) {
        let option = |name: &str| text(context, &format!("seLinuxOptions.{name}"));
        let mut wrong: Vec<_> = ["user", "role"]
            .into_iter()
            .filter(|name| !option(name).is_empty())
            .collect();
        wrong.extend((!SELINUX_TYPES.contains(&option("type"))).then_some("type"));
        for name in wrong {
            let message = format!("seLinuxOptions.{name} is {:?}", option(name));
            let container = container.clone();
            found.push(Violation {
                rule: Rule::PsaSeLinux,
                container,
                message,
            });
        }
    }
}

fn proc_mount(pod: Pod<'_>, found: &mut Vec<Violation>) {
    for container in pod.containers() {
        let mount = text(container, "securityContext.procMount");
        if !["", "Default"].contains(&mount) {
            let message = format!("procMount is {mount:?}");
            found.push(Violation::of_container(
                Rule::PsaProcMount,
                container,
                message,
            ));
        }
    }
}

fn windows_host_process(pod: Pod<'_>, found: &mut Vec<Violation>) {
    for (container, context) in contexts(pod) {
        if is_true(context, "windowsOptions.hostProcess") {
            let message = "windowsOptions.hostProcess is true".to_owned();
            found.push(Violation {
                rule: Rule::PsaWindowsHostProcess,
                container,
                message,
            });
        }
    }
}

fn run_as_non_root(pod: Pod<'_>, found: &mut Vec<Violation>) {
    let rule = Rule::PsaRunAsNonRoot;
    let of_pod = flag(pod.spec, "securityContext.runAsNonRoot");
    if of_pod == Some(false) {
        found.push(Violation::of_pod(rule, "runAsNonRoot is false"));
    }
    for container in pod.containers() {
        match flag(container, "securityContext.runAsNonRoot") {
            Some(false) => {
                found.push(Violation::of_container(
                    rule,
                    container,
                    "runAsNonRoot is false",
                ));
            }
            None if of_pod != Some(true) => {
                let message = "neither pod nor container say runAsNonRoot: true";
                found.push(Violation::of_container(rule, container, message));
            }
            _ => {}
        }
    }
}

fn run_as_user(pod: Pod<'_>, found: &mut Vec<Violation>) {
    for (container, context) in contexts(pod) {
        if number(context, "runAsUser") == Some(0) {
            let message = "runAsUser is 0, which is root".to_owned();
            found.push(Violation {
                rule: Rule::PsaRunAsUser,
                container,
                message,
            });
        }
    }
}

fn privilege_escalation(pod: Pod<'_>, found: &mut Vec<Violation>) {
    for container in pod.containers() {
        let message = match flag(container, "securityContext.allowPrivilegeEscalation") {
            Some(false) => continue,
            Some(true) => "allowPrivilegeEscalation is true",
            None => "allowPrivilegeEscalation is not set, which means true",
        };
        found.push(Violation::of_container(
            Rule::PsaPrivilegeEscalation,
            container,
            message,
        ));
    }
}

fn capabilities(pod: Pod<'_>, found: &mut Vec<Violation>) {
    let rule = Rule::PsaCapabilities;
    for container in pod.containers() {
        if !texts(container, "securityContext.capabilities.drop").any(|name| name == "ALL") {
            let message = "does not drop the capabilities [ALL]";
            found.push(Violation::of_container(rule, container, message));
        }
        for name in texts(container, "securityContext.capabilities.add") {
            if name != "NET_BIND_SERVICE" {
                let message = format!("adds the capability {name}");
                found.push(Violation::of_container(rule, container, message));
            }
        }
    }
}

fn seccomp(pod: Pod<'_>, found: &mut Vec<Violation>) {
    let profile = |context: &Value| -> Option<String> {
        let profile = at(context, "securityContext.seccompProfile")?;
        Some(text(profile, "type").to_owned())
    };
    let allowed = |kind: &str| ["RuntimeDefault", "Localhost"].contains(&kind);
    let of_pod = profile(pod.spec);
    if let Some(kind) = of_pod.as_deref().filter(|kind| !allowed(kind)) {
        let message = format!("seccompProfile.type is {kind:?}");
        found.push(Violation::of_pod(Rule::PsaSeccomp, message));
    }
    let pod_is_covered = of_pod.is_some_and(|kind| allowed(&kind));
    for container in pod.containers() {
        let message = match profile(container) {
            Some(kind) if allowed(&kind) => continue,
            Some(kind) => format!("seccompProfile.type is {kind:?}"),
            None if pod_is_covered => continue,
            None => "neither pod nor container set a seccompProfile".to_owned(),
        };
        found.push(Violation::of_container(
            Rule::PsaSeccomp,
            container,
            message,
        ));
    }
}
