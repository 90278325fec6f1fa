//! Pods, one scenario for each control, with the rules that must refuse them. The API server is
//! asked about the same pods in `e2e/tests/pod_admission.rs`.

use chartgen_lint::Rule;
use serde_json::{Value, json};

/// A pod and what is said to it.
pub(crate) struct Case {
    /// What it is about.
    pub(crate) name: &'static str,
    /// The pod.
    pub(crate) pod: Value,
    /// Rules of Pod Security `restricted` that refuse it.
    pub(crate) restricted: Vec<Rule>,
    /// Rules of restricted-v2 that refuse it.
    pub(crate) openshift: Vec<Rule>,
}

/// A pod that both accept.
pub(crate) fn good() -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {
            "securityContext": {
                "runAsNonRoot": true,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [{
                "name": "c",
                "image": "registry.example/c:1",
                "securityContext": {
                    "allowPrivilegeEscalation": false,
                    "capabilities": {"drop": ["ALL"]},
                },
            }],
        },
    })
}

/// RFC 7386: objects are merged, null removes.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().expect("an object").remove(&name);
        } else {
            merge(&mut target[name.as_str()], value);
        }
    }
}

fn with(spec: Value, container: Value) -> Value {
    let mut pod = good();
    merge(&mut pod["spec"], spec);
    merge(&mut pod["spec"]["containers"][0], container);
    pod
}

fn spec(patch: Value) -> Value {
    with(patch, json!({}))
}

fn container(patch: Value) -> Value {
    with(json!({}), patch)
}

fn context(patch: Value) -> Value {
    container(json!({"securityContext": patch}))
}

fn pod_context(patch: Value) -> Value {
    spec(json!({"securityContext": patch}))
}

fn volume(source: Value) -> Value {
    let mut volume = source;
    volume["name"] = json!("v");
    spec(json!({"volumes": [volume]}))
}

fn case(name: &'static str, pod: Value, restricted: &[Rule], openshift: &[Rule]) -> Case {
    Case {
        name,
        pod,
        restricted: restricted.to_vec(),
        openshift: openshift.to_vec(),
    }
}

/// All cases.
pub(crate) fn cases() -> Vec<Case> {
    let mut all = node();
    all.extend(profiles());
    all.extend(users());
    all.extend(privileges());
    all
}

fn node() -> Vec<Case> {
    use Rule::*;
    let probe = |kind: &str, action: &str| {
        container(json!({kind: {action: {"host": "10.0.0.1", "port": 80}}}))
    };
    let hook = |host: &str| {
        container(json!({"lifecycle": {"preStop": {"httpGet": {"host": host, "port": 80}}}}))
    };
    let sysctl = |name: &str| pod_context(json!({"sysctls": [{"name": name, "value": "1"}]}));
    let nfs = json!({"nfs": {"server": "s", "path": "/"}});
    vec![
        case(
            "host network",
            spec(json!({"hostNetwork": true})),
            &[PsaHostNamespaces],
            &[SccHostNamespaces],
        ),
        case(
            "host PID",
            spec(json!({"hostPID": true})),
            &[PsaHostNamespaces],
            &[SccHostNamespaces],
        ),
        case(
            "host IPC",
            spec(json!({"hostIPC": true})),
            &[PsaHostNamespaces],
            &[SccHostNamespaces],
        ),
        case(
            "host namespaces said no to",
            spec(json!({"hostNetwork": false, "hostPID": false})),
            &[],
            &[],
        ),
        case(
            "host port",
            container(json!({"ports": [{"containerPort": 80, "hostPort": 80}]})),
            &[PsaHostPorts],
            &[SccHostPorts],
        ),
        case(
            "host port 0",
            container(json!({"ports": [{"containerPort": 80, "hostPort": 0}]})),
            &[],
            &[],
        ),
        case(
            "host path",
            volume(json!({"hostPath": {"path": "/"}})),
            &[PsaVolumes],
            &[SccVolumes],
        ),
        case("NFS volume", volume(nfs), &[PsaVolumes], &[SccVolumes]),
        case("volume of no type", volume(json!({})), &[], &[]),
        case(
            "safe volumes",
            spec(json!({"volumes": [
                {"name": "a", "configMap": {"name": "x"}}, {"name": "b", "csi": {"driver": "d.example"}},
                {"name": "c", "downwardAPI": {}}, {"name": "d", "emptyDir": {}},
                {"name": "e", "ephemeral": {"volumeClaimTemplate": {"spec": {
                    "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}}},
                {"name": "f", "image": {"reference": "registry.example/f:1"}},
                {"name": "g", "persistentVolumeClaim": {"claimName": "x"}}, {"name": "h", "projected": {}},
                {"name": "i", "secret": {"secretName": "x"}},
            ]})),
            &[],
            &[],
        ),
        case(
            "probe of another host",
            probe("livenessProbe", "httpGet"),
            &[PsaHostProbes],
            &[],
        ),
        case(
            "socket probe of another host",
            probe("startupProbe", "tcpSocket"),
            &[PsaHostProbes],
            &[],
        ),
        case(
            "hook to another host",
            hook("localhost"),
            &[PsaHostProbes],
            &[],
        ),
        case("hook to the pod", hook(""), &[], &[]),
        case(
            "unsafe sysctl",
            sysctl("kernel.msgmax"),
            &[PsaSysctls],
            &[SccSysctls],
        ),
        case("safe sysctl", sysctl("net.ipv4.tcp_syncookies"), &[], &[]),
        case(
            "Windows",
            {
                let mut pod = pod_context(json!({"seccompProfile": null}));
                pod["spec"]["os"] = json!({"name": "windows"});
                pod["spec"]["containers"][0]["securityContext"] = json!({});
                pod
            },
            &[],
            &[],
        ),
        case(
            "process of a Windows node",
            {
                let mut pod = spec(json!({"os": {"name": "windows"}, "hostNetwork": true}));
                pod["spec"]["securityContext"] =
                    json!({"runAsNonRoot": true, "windowsOptions": {"hostProcess": true}});
                pod["spec"]["containers"][0]["securityContext"] = json!({});
                pod
            },
            &[PsaHostNamespaces, PsaWindowsHostProcess],
            &[SccHostNamespaces],
        ),
    ]
}

fn profiles() -> Vec<Case> {
    use Rule::*;
    let annotated = |name: &str, value: &str| {
        let mut pod = good();
        pod["metadata"]["annotations"] = json!({name: value});
        pod
    };
    let seccomp = |kind: &str| json!({"seccompProfile": {"type": kind}});
    let localhost = json!({"seccompProfile": {"type": "Localhost", "localhostProfile": "p.json"}});
    let app_armor = |kind: &str| context(json!({"appArmorProfile": {"type": kind}}));
    let annotation = "container.apparmor.security.beta.kubernetes.io/c";
    let se_linux = |options: Value| pod_context(json!({"seLinuxOptions": options}));
    vec![
        case(
            "no seccomp profile",
            pod_context(json!({"seccompProfile": null})),
            &[PsaSeccomp],
            &[],
        ),
        case(
            "seccomp at the container",
            {
                with(
                    json!({"securityContext": {"seccompProfile": null}}),
                    json!({"securityContext": seccomp("RuntimeDefault")}),
                )
            },
            &[],
            &[],
        ),
        case(
            "unconfined pod",
            pod_context(seccomp("Unconfined")),
            &[PsaSeccomp, PsaSeccomp],
            &[SccSeccomp],
        ),
        case(
            "unconfined container",
            context(seccomp("Unconfined")),
            &[PsaSeccomp],
            &[SccSeccomp],
        ),
        case(
            "seccomp profile of the node",
            pod_context(localhost),
            &[],
            &[SccSeccomp],
        ),
        case("AppArmor off", app_armor("Unconfined"), &[PsaAppArmor], &[]),
        case(
            "AppArmor of the runtime",
            app_armor("RuntimeDefault"),
            &[],
            &[],
        ),
        case(
            "AppArmor off by annotation",
            annotated(annotation, "unconfined"),
            &[PsaAppArmor],
            &[],
        ),
        case(
            "AppArmor by annotation",
            annotated(annotation, "runtime/default"),
            &[],
            &[],
        ),
        case(
            "SELinux user",
            se_linux(json!({"user": "u"})),
            &[PsaSeLinux],
            &[SccSeLinux],
        ),
        case(
            "SELinux role",
            context(json!({"seLinuxOptions": {"role": "r"}})),
            &[PsaSeLinux],
            &[SccSeLinux],
        ),
        case(
            "SELinux type",
            se_linux(json!({"type": "spc_t"})),
            &[PsaSeLinux],
            &[SccSeLinux],
        ),
        case(
            "usual SELinux type",
            se_linux(json!({"type": "container_t"})),
            &[],
            &[SccSeLinux],
        ),
        case(
            "SELinux level",
            se_linux(json!({"level": "s0:c1,c2"})),
            &[],
            &[SccSeLinux],
        ),
        case(
            "unmasked /proc",
            with(
                json!({"hostUsers": false}),
                json!({"securityContext": {"procMount": "Unmasked"}}),
            ),
            &[PsaProcMount],
            &[],
        ),
        case(
            "default /proc",
            context(json!({"procMount": "Default"})),
            &[],
            &[],
        ),
    ]
}

fn users() -> Vec<Case> {
    use Rule::*;
    let init = |security: Value| {
        spec(
            json!({"initContainers": [{"name": "i", "image": "registry.example/i:1", "securityContext": security}]}),
        )
    };
    vec![
        case("good", good(), &[], &[]),
        case(
            "runAsNonRoot nowhere",
            pod_context(json!({"runAsNonRoot": null})),
            &[PsaRunAsNonRoot],
            &[],
        ),
        case(
            "runAsNonRoot at the container",
            {
                with(
                    json!({"securityContext": {"runAsNonRoot": null}}),
                    json!({"securityContext": {"runAsNonRoot": true}}),
                )
            },
            &[],
            &[],
        ),
        case(
            "may be root",
            context(json!({"runAsNonRoot": false})),
            &[PsaRunAsNonRoot],
            &[],
        ),
        case(
            "pod may be root, container not",
            {
                with(
                    json!({"securityContext": {"runAsNonRoot": false}}),
                    json!({"securityContext": {"runAsNonRoot": true}}),
                )
            },
            &[PsaRunAsNonRoot],
            &[],
        ),
        case(
            "user 0",
            context(json!({"runAsUser": 0})),
            &[PsaRunAsUser],
            &[SccRunAsUser],
        ),
        case(
            "user 0 in a user namespace",
            {
                with(
                    json!({"hostUsers": false, "securityContext": {"runAsNonRoot": null}}),
                    json!({"securityContext": {"runAsUser": 0}}),
                )
            },
            &[],
            &[SccRunAsUser],
        ),
        case(
            "fixed user",
            pod_context(json!({"runAsUser": 1000})),
            &[],
            &[SccRunAsUser],
        ),
        case(
            "first user of the range",
            pod_context(json!({"runAsUser": 1_000_660_000})),
            &[],
            &[],
        ),
        case(
            "last user of the range",
            context(json!({"runAsUser": 1_000_669_999})),
            &[],
            &[],
        ),
        case(
            "user after the range",
            context(json!({"runAsUser": 1_000_670_000})),
            &[],
            &[SccRunAsUser],
        ),
        case(
            "user at the pod that every container corrects",
            {
                with(
                    json!({"securityContext": {"runAsUser": 1000}}),
                    json!({"securityContext": {"runAsUser": 1_000_660_001}}),
                )
            },
            &[],
            &[],
        ),
        case(
            "user 0 at the pod that every container corrects",
            {
                with(
                    json!({"securityContext": {"runAsUser": 0}}),
                    json!({"securityContext": {"runAsUser": 1_000_660_001}}),
                )
            },
            &[PsaRunAsUser],
            &[],
        ),
        case(
            "fixed group of files",
            pod_context(json!({"fsGroup": 1000})),
            &[],
            &[SccFsGroup],
        ),
        case(
            "second group of the range",
            pod_context(json!({"fsGroup": 1_000_660_001})),
            &[],
            &[SccFsGroup],
        ),
        case(
            "group of files of the range",
            pod_context(json!({"fsGroup": 1_000_660_000})),
            &[],
            &[],
        ),
        case(
            "other groups",
            pod_context(json!({"runAsGroup": 5, "supplementalGroups": [7]})),
            &[],
            &[],
        ),
        case(
            "nothing said",
            {
                let mut pod = good();
                pod["spec"]
                    .as_object_mut()
                    .expect("an object")
                    .remove("securityContext");
                pod["spec"]["containers"][0]
                    .as_object_mut()
                    .expect("an object")
                    .remove("securityContext");
                pod
            },
            &[
                PsaCapabilities,
                PsaPrivilegeEscalation,
                PsaRunAsNonRoot,
                PsaSeccomp,
            ],
            &[],
        ),
        case(
            "init container that says nothing",
            init(json!({})),
            &[PsaCapabilities, PsaPrivilegeEscalation],
            &[],
        ),
        case(
            "init container with a user",
            init(json!({
                "runAsUser": 1000, "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
            })),
            &[],
            &[SccRunAsUser],
        ),
        case(
            "user set to null",
            {
                let mut pod = good();
                pod["spec"]["securityContext"]["runAsUser"] = Value::Null;
                pod["spec"]["securityContext"]["fsGroup"] = Value::Null;
                pod
            },
            &[],
            &[],
        ),
    ]
}

fn privileges() -> Vec<Case> {
    use Rule::*;
    let capabilities = |value: Value| context(json!({"capabilities": value}));
    let escalation = |value: Value| context(json!({"allowPrivilegeEscalation": value}));
    vec![
        case(
            "privileged",
            context(json!({"privileged": true, "allowPrivilegeEscalation": true})),
            &[PsaPrivileged, PsaPrivilegeEscalation],
            &[SccPrivileged, SccPrivilegeEscalation],
        ),
        case(
            "not privileged",
            context(json!({"privileged": false})),
            &[],
            &[],
        ),
        case(
            "privilege escalation",
            escalation(json!(true)),
            &[PsaPrivilegeEscalation],
            &[SccPrivilegeEscalation],
        ),
        case(
            "privilege escalation left open",
            escalation(Value::Null),
            &[PsaPrivilegeEscalation],
            &[],
        ),
        case(
            "capabilities left open",
            capabilities(Value::Null),
            &[PsaCapabilities],
            &[],
        ),
        case(
            "capabilities dropped by name",
            capabilities(json!({"drop": ["NET_RAW"]})),
            &[PsaCapabilities],
            &[],
        ),
        case(
            "all dropped in small letters",
            capabilities(json!({"drop": ["all"]})),
            &[PsaCapabilities],
            &[],
        ),
        case(
            "low ports",
            capabilities(json!({"add": ["NET_BIND_SERVICE"]})),
            &[],
            &[],
        ),
        case(
            "a dangerous capability",
            capabilities(json!({"add": ["SYS_TIME"]})),
            &[PsaCapabilities],
            &[SccCapabilities],
        ),
        case(
            "two dangerous capabilities",
            capabilities(json!({"add": ["NET_RAW", "SYS_TIME"], "drop": []})),
            &[PsaCapabilities, PsaCapabilities, PsaCapabilities],
            &[SccCapabilities, SccCapabilities],
        ),
    ]
}
