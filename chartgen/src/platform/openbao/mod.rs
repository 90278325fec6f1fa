//! What we set of the values of the chart `openbao`.
//!
//! One server with raft storage on a volume, which unseals itself with a key from a Secret (ADR 0024),
//! and sets itself up at its first start so far that `fleet-auth provision openbao` can do the rest.

mod config;
mod hcl;

use std::collections::BTreeMap;

use chartgen::common::{FreeForm, FreeFormList, Resources};
use k8s_openapi::api::core::v1::{
    KeyToPath, PodSecurityContext, SecretVolumeSource, SecurityContext, Volume, VolumeMount,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::part::Part;
use super::{context, names};

/// Where decisions about devices are kept, by its own chart, `openbao`. Any other value of that chart
/// can be set here too.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct OpenBao {
    /// Install it.
    pub enabled: bool,
    /// What its objects are called; other parts of the platform look for them.
    pub fullname_override: String,
    /// Settings of all its pods.
    pub global: OpenBaoGlobal,
    /// A webhook that puts secrets into pods; nothing of the platform uses it.
    pub injector: Part,
    /// The server.
    pub server: Server,
}

/// Settings of all its pods.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct OpenBaoGlobal {
    /// The cluster chooses the ids that pods run as.
    pub openshift: bool,
    /// Whether its listener goes without TLS; the configuration below has to say the same.
    pub tls_disable: bool,
}

/// The server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct Server {
    /// Its image.
    pub image: ServerImage,
    /// What happens when something about its pod changes. It unseals itself, so it may be restarted.
    pub update_strategy_type: String,
    /// Processor and memory.
    #[schemars(with = "FreeForm")]
    pub resources: Resources,
    /// Secrets that are mounted: its certificate and the key that unseals it. With a list of your own
    /// keep both.
    #[schemars(with = "FreeFormList")]
    pub extra_volumes: Vec<ExtraVolume>,
    /// Variables of its environment, and of that of its chart's own `helm test`: by which authority
    /// and which name `bao` knows the server's certificate for genuine.
    #[schemars(with = "FreeForm")]
    pub extra_environment_vars: BTreeMap<String, String>,
    /// That authority's volume, in both pods. With a list of your own keep it.
    #[schemars(with = "FreeFormList")]
    pub volumes: Vec<Volume>,
    /// Where it is there.
    #[schemars(with = "FreeFormList")]
    pub volume_mounts: Vec<VolumeMount>,
    /// The volume with all that it keeps.
    pub data_storage: DataStorage,
    /// One server.
    pub standalone: Standalone,
    /// What its pod may do.
    pub stateful_set: StatefulSet,
}

/// The image of the server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct ServerImage {
    /// Host of the registry.
    pub registry: String,
    /// Path of the image in the registry.
    pub repository: String,
}

/// A Secret that is mounted.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ExtraVolume {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    default_mode: i32,
}

/// The volume with all that it keeps.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct DataStorage {
    /// Its size.
    pub size: String,
}

/// One server.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Standalone {
    /// Its configuration, a template. What is initialized is so at the first start only.
    pub config: String,
}

/// What its pod may do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct StatefulSet {
    /// What its pod may do.
    pub security_context: Contexts,
}

/// What pod and container may do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Contexts {
    /// Of the pod. Empty for the chart's own, with the ids of the image's user.
    #[schemars(with = "FreeForm")]
    pub pod: PodSecurityContext,
    /// Of the container.
    #[schemars(with = "FreeForm")]
    pub container: SecurityContext,
}

impl Default for OpenBao {
    fn default() -> Self {
        Self {
            enabled: true,
            fullname_override: names::OPENBAO.to_owned(),
            global: OpenBaoGlobal {
                openshift: false,
                tls_disable: false,
            },
            injector: Part { enabled: false },
            server: Server::default(),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            image: ServerImage {
                registry: "quay.io".to_owned(),
                repository: "openbao/openbao".to_owned(),
            },
            update_strategy_type: "RollingUpdate".to_owned(),
            resources: Resources::default()
                .request("cpu", "50m")
                .request("memory", "128Mi")
                .limit("memory", "512Mi"),
            extra_volumes: vec![
                secret(names::OPENBAO_TLS.to_owned()),
                secret(config::seal()),
            ],
            extra_environment_vars: client(),
            volumes: vec![authority()],
            volume_mounts: vec![VolumeMount {
                name: AUTHORITY.to_owned(),
                mount_path: AUTHORITY_FOLDER.to_owned(),
                read_only: Some(true),
                ..VolumeMount::default()
            }],
            data_storage: DataStorage {
                size: "2Gi".to_owned(),
            },
            standalone: Standalone {
                config: config::text(),
            },
            stateful_set: StatefulSet {
                security_context: Contexts {
                    pod: PodSecurityContext::default(),
                    container: context::container(),
                },
            },
        }
    }
}

/// How `bao` trusts the server, whatever address it is given: the certificate has the name that the
/// platform uses, and the chart's test uses a longer one.
fn client() -> BTreeMap<String, String> {
    let authority = format!("{AUTHORITY_FOLDER}/{}", names::OPENBAO_CA);
    BTreeMap::from([
        ("BAO_CACERT".to_owned(), authority),
        ("BAO_TLS_SERVER_NAME".to_owned(), names::OPENBAO.to_owned()),
    ])
}

const AUTHORITY: &str = "authority";
const AUTHORITY_FOLDER: &str = "/openbao/authority";

/// Without it the chart's own test of the server does not trust it, and `helm test` fails.
fn authority() -> Volume {
    let certificate = KeyToPath {
        key: names::OPENBAO_CA.to_owned(),
        path: names::OPENBAO_CA.to_owned(),
        mode: None,
    };
    Volume {
        name: AUTHORITY.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(names::OPENBAO_TLS.to_owned()),
            // No secret: certificates are shown to everybody.
            default_mode: Some(0o444),
            items: Some(vec![certificate]),
            optional: None,
        }),
        ..Volume::default()
    }
}

fn secret(name: String) -> ExtraVolume {
    ExtraVolume {
        kind: "secret",
        name,
        // Its user has no other rights to it than those of the pod's group.
        default_mode: 0o440,
    }
}
