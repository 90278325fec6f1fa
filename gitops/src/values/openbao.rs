//! Values of the chart openbao: one node with a store of its own, opened by the static seal.

use serde::Serialize;
use serde_json::{Value, json};

use crate::params::Registry;

/// Where the seal key is mounted.
const SEAL_FOLDER: &str = "/openbao/seal";
/// The Secret that `fleet-auth secrets ensure` makes.
const SEAL_SECRET: &str = "fleet-openbao-seal-1";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OpenBao {
    fullname_override: &'static str,
    /// It changes pods as they are made, for which nothing of ours asks.
    injector: Switch,
    server: Server,
}

#[derive(Serialize)]
struct Switch {
    enabled: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    /// A cluster-wide right to ask the API server about any token.
    auth_delegator: Switch,
    standalone: Switch,
    ha: HighAvailability,
    readiness_probe: Probe,
    volumes: Vec<Volume>,
    volume_mounts: Vec<Mount>,
    stateful_set: StatefulSet,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HighAvailability {
    enabled: bool,
    replicas: u32,
    raft: Raft,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Raft {
    enabled: bool,
    set_node_id: bool,
    /// The server's configuration: a text in the chart, in a language of which JSON is a part.
    config: String,
}

/// A server that nobody has initialized yet is ready: otherwise no Service leads to it, and nobody ever
/// could.
#[derive(Serialize)]
struct Probe {
    enabled: bool,
    path: &'static str,
}

#[derive(Serialize)]
struct Volume {
    name: &'static str,
    secret: Secret,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Secret {
    secret_name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: &'static str,
    mount_path: &'static str,
    read_only: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StatefulSet {
    security_context: Contexts,
}

/// The container's own; that of the pod is the chart's, which differs between clusters.
#[derive(Serialize)]
struct Contexts {
    container: Confined,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Confined {
    allow_privilege_escalation: bool,
    run_as_non_root: bool,
    capabilities: Capabilities,
    seccomp_profile: Seccomp,
}

#[derive(Serialize)]
struct Capabilities {
    drop: [&'static str; 1],
}

#[derive(Serialize)]
struct Seccomp {
    r#type: &'static str,
}

fn configuration() -> String {
    let seal = format!("file://{SEAL_FOLDER}/seal.key");
    json!({
        "ui": false,
        "listener": [{"tcp": {
            "tls_disable": true,
            "address": "[::]:8200",
            "cluster_address": "[::]:8201",
        }}],
        "storage": {"raft": {"path": "/openbao/data"}},
        "seal": {"static": {"current_key_id": SEAL_SECRET, "current_key": seal}},
    })
    .to_string()
}

pub(super) fn base() -> Result<Value, serde_json::Error> {
    let off = || Switch { enabled: false };
    serde_json::to_value(OpenBao {
        fullname_override: "openbao",
        injector: off(),
        server: Server {
            auth_delegator: off(),
            standalone: off(),
            ha: HighAvailability {
                enabled: true,
                replicas: 1,
                raft: Raft {
                    enabled: true,
                    set_node_id: true,
                    config: configuration(),
                },
            },
            readiness_probe: Probe {
                enabled: true,
                path: "/v1/sys/health?standbyok=true&uninitcode=204",
            },
            volumes: vec![Volume {
                name: "fleet-seal",
                secret: Secret {
                    secret_name: SEAL_SECRET,
                },
            }],
            volume_mounts: vec![Mount {
                name: "fleet-seal",
                mount_path: SEAL_FOLDER,
                read_only: true,
            }],
            stateful_set: StatefulSet {
                security_context: Contexts {
                    container: Confined {
                        allow_privilege_escalation: false,
                        run_as_non_root: true,
                        capabilities: Capabilities { drop: ["ALL"] },
                        seccomp_profile: Seccomp {
                            r#type: "RuntimeDefault",
                        },
                    },
                },
            },
        },
    })
}

#[derive(Serialize)]
struct Okd {
    global: OpenShift,
}

/// Takes the chart's own user ids out.
#[derive(Serialize)]
struct OpenShift {
    openshift: bool,
}

pub(super) fn okd() -> Result<Value, serde_json::Error> {
    serde_json::to_value(Okd {
        global: OpenShift { openshift: true },
    })
}

#[derive(Serialize)]
struct Mirrored<'a> {
    server: MirroredServer<'a>,
}

#[derive(Serialize)]
struct MirroredServer<'a> {
    image: Image<'a>,
}

#[derive(Serialize)]
struct Image<'a> {
    registry: &'a Registry,
}

pub(super) fn mirrored(registry: &Registry) -> Result<Value, serde_json::Error> {
    let image = Image { registry };
    serde_json::to_value(Mirrored {
        server: MirroredServer { image },
    })
}
