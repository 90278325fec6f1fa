//! Values of the chart nats, of which no schema exists: what is not read there is not noticed.

use serde::Serialize;
use serde_json::Value;

use super::Removed;
use crate::params::Registry;

/// The folder in which the server finds accounts and users, beside that of its configuration.
const KEYS: &str = "/etc/fleet-keys";
/// The same, as an include wants it: relative to the configuration.
const INCLUDED: &str = "../fleet-keys/accounts.conf";
/// The `ConfigMap` that `fleet-auth secrets ensure` makes.
const PUBLIC_KEYS: &str = "fleet-public-keys";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Nats {
    fullname_override: &'static str,
    config: Config,
    pod_template: PodTemplate<User>,
    container: Container,
    reloader: Switch,
    nats_box: Switch,
}

#[derive(Serialize)]
struct Switch {
    enabled: bool,
}

#[derive(Serialize)]
struct Config {
    jetstream: JetStream,
    merge: Merge,
}

#[derive(Serialize)]
struct Merge {
    /// The chart makes a directive of it.
    #[serde(rename = "$include")]
    include: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct JetStream {
    enabled: bool,
    file_store: FileStore,
}

#[derive(Serialize)]
struct FileStore {
    pvc: Claim,
}

/// What a server fills in is said here too. Argo CD would otherwise find the claim changed for ever, also
/// where somebody takes server-side comparison away.
#[derive(Serialize)]
struct Claim {
    size: &'static str,
    merge: TypeMeta,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TypeMeta {
    api_version: &'static str,
    kind: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodTemplate<U> {
    /// Without the reloader nothing else restarts a server whose configuration has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    config_checksum_annotation: Option<bool>,
    merge: Pod<U>,
    /// Lists are added to, and not replaced as `merge` would.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    patch: Vec<Addition<Volume>>,
}

#[derive(Serialize)]
struct Pod<U> {
    spec: PodSpec<U>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodSpec<U> {
    security_context: U,
}

/// The image's own user is root.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    run_as_non_root: bool,
    run_as_user: u32,
    run_as_group: u32,
    fs_group: u32,
    seccomp_profile: Seccomp,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NoUser {
    run_as_user: Removed,
    run_as_group: Removed,
    fs_group: Removed,
}

#[derive(Serialize)]
struct Seccomp {
    r#type: &'static str,
}

#[derive(Serialize)]
struct Addition<T> {
    op: &'static str,
    path: &'static str,
    value: T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Volume {
    name: &'static str,
    config_map: Named,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
}

#[derive(Serialize)]
struct Container {
    merge: ContainerMerge,
    patch: Vec<Addition<Mount>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ContainerMerge {
    security_context: Confined,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Confined {
    allow_privilege_escalation: bool,
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct Capabilities {
    drop: [&'static str; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mount {
    name: &'static str,
    mount_path: &'static str,
    read_only: bool,
}

pub(super) fn base() -> Result<Value, serde_json::Error> {
    let user = User {
        run_as_non_root: true,
        run_as_user: 1000,
        run_as_group: 1000,
        fs_group: 1000,
        seccomp_profile: Seccomp {
            r#type: "RuntimeDefault",
        },
    };
    let claim = Claim {
        size: "10Gi",
        merge: TypeMeta {
            api_version: "v1",
            kind: "PersistentVolumeClaim",
        },
    };
    serde_json::to_value(Nats {
        fullname_override: "nats",
        config: Config {
            jetstream: JetStream {
                enabled: true,
                file_store: FileStore { pvc: claim },
            },
            merge: Merge { include: INCLUDED },
        },
        pod_template: PodTemplate {
            config_checksum_annotation: Some(true),
            merge: Pod {
                spec: PodSpec {
                    security_context: user,
                },
            },
            patch: vec![keys_volume()],
        },
        container: confined(),
        reloader: Switch { enabled: false },
        nats_box: Switch { enabled: false },
    })
}

fn keys_volume() -> Addition<Volume> {
    Addition {
        op: "add",
        path: "/spec/volumes/-",
        value: Volume {
            name: "fleet-keys",
            config_map: Named { name: PUBLIC_KEYS },
        },
    }
}

fn confined() -> Container {
    Container {
        merge: ContainerMerge {
            security_context: Confined {
                allow_privilege_escalation: false,
                capabilities: Capabilities { drop: ["ALL"] },
            },
        },
        patch: vec![Addition {
            op: "add",
            path: "/volumeMounts/-",
            value: Mount {
                name: "fleet-keys",
                mount_path: KEYS,
                read_only: true,
            },
        }],
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Okd {
    pod_template: PodTemplate<NoUser>,
}

pub(super) fn okd() -> Result<Value, serde_json::Error> {
    serde_json::to_value(Okd {
        pod_template: PodTemplate {
            config_checksum_annotation: None,
            merge: Pod {
                spec: PodSpec {
                    security_context: NoUser {
                        run_as_user: Removed,
                        run_as_group: Removed,
                        fs_group: Removed,
                    },
                },
            },
            patch: Vec::new(),
        },
    })
}

#[derive(Serialize)]
struct Mirrored<'a> {
    global: Global<'a>,
}

#[derive(Serialize)]
struct Global<'a> {
    image: Image<'a>,
}

#[derive(Serialize)]
struct Image<'a> {
    registry: &'a Registry,
}

pub(super) fn mirrored(registry: &Registry) -> Result<Value, serde_json::Error> {
    let image = Image { registry };
    serde_json::to_value(Mirrored {
        global: Global { image },
    })
}
