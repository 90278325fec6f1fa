//! Values of the chart zitadel. Its database and its outside name are the installation's own, and lie in
//! the installation's own file.

use serde::Serialize;
use serde_json::Value;

use super::Removed;
use crate::params::Registry;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Zitadel {
    fullname_override: &'static str,
    zitadel: Settings,
    pod_security_context: PodContext,
    security_context: Context,
}

/// The master key is a Secret of the installation's: a chart that made one would make another at every
/// render, and what the first has sealed could not be read.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Settings {
    masterkey_secret_name: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PodContext {
    seccomp_profile: Seccomp,
}

#[derive(Serialize)]
struct Seccomp {
    r#type: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context {
    allow_privilege_escalation: bool,
    capabilities: Capabilities,
}

#[derive(Serialize)]
struct Capabilities {
    drop: [&'static str; 1],
}

pub(super) fn base() -> Result<Value, serde_json::Error> {
    serde_json::to_value(Zitadel {
        fullname_override: "zitadel",
        zitadel: Settings {
            masterkey_secret_name: "zitadel-masterkey",
        },
        pod_security_context: PodContext {
            seccomp_profile: Seccomp {
                r#type: "RuntimeDefault",
            },
        },
        security_context: Context {
            allow_privilege_escalation: false,
            capabilities: Capabilities { drop: ["ALL"] },
        },
    })
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Okd {
    pod_security_context: NoPodUser,
    security_context: NoUser,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NoPodUser {
    run_as_user: Removed,
    fs_group: Removed,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NoUser {
    run_as_user: Removed,
}

pub(super) fn okd() -> Result<Value, serde_json::Error> {
    serde_json::to_value(Okd {
        pod_security_context: NoPodUser {
            run_as_user: Removed,
            fs_group: Removed,
        },
        security_context: NoUser {
            run_as_user: Removed,
        },
    })
}

/// The two main images have their registry in the name; the others take one beside it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Mirrored<'a> {
    image_registry: &'a Registry,
    image: Image,
    login: Login,
}

#[derive(Serialize)]
struct Image {
    repository: String,
}

#[derive(Serialize)]
struct Login {
    image: Image,
}

pub(super) fn mirrored(registry: &Registry) -> Result<Value, serde_json::Error> {
    let image = |name: &str| Image {
        repository: format!("{registry}/zitadel/{name}"),
    };
    serde_json::to_value(Mirrored {
        image_registry: registry,
        image: image("zitadel"),
        login: Login {
            image: image("zitadel-login"),
        },
    })
}
