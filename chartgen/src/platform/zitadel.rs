//! What we set of the values of the chart `zitadel`.
//!
//! Its jobs are hooks that run before everything else of the release, and need the database and both
//! Secrets. They are left so: where these are there, an installation, an upgrade and `--wait` come to
//! an end. As hooks after the rest they would wait, with `--wait`, for a Zitadel that waits for them.
//! The master key is made by a hook of ours before theirs. The database is not part of the platform:
//! who runs it also backs it up.

use chartgen::common::{FreeForm, FreeFormList, Resources};
use k8s_openapi::api::core::v1::{
    EnvVar, EnvVarSource, PodSecurityContext, SecretKeySelector, SecurityContext,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::part::Part;
use super::{context, names};

/// Its own default is the version of the cluster, and so an image of which no list could know.
const KUBECTL: &str = "1.36.3";

/// The identity provider, by its own chart, `zitadel`. Any other value of that chart can be set here
/// too. It needs a database (Postgres) that is there before, and two Secrets.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct Zitadel {
    /// Install it. Without it name another provider.
    pub enabled: bool,
    /// What its objects are called; other parts of the platform look for them.
    pub fullname_override: String,
    /// How many pods run.
    pub replica_count: u32,
    /// Its image.
    pub image: ZitadelImage,
    /// The registry of the tools' images.
    pub image_registry: String,
    /// Its configuration.
    pub zitadel: Inner,
    /// Variables of its pods: where the database is, from a Secret.
    #[schemars(with = "FreeFormList")]
    pub env: Vec<EnvVar>,
    /// What its pods may do. The chart adds user and group ids.
    #[schemars(with = "FreeForm")]
    pub pod_security_context: PodSecurityContext,
    /// What its containers may do. The chart adds a user id, and that files stay as they are.
    #[schemars(with = "FreeForm")]
    pub security_context: SecurityContext,
    /// Processor and memory.
    #[schemars(with = "FreeForm")]
    pub resources: Resources,
    /// The pages where people log in.
    pub login: Login,
    /// How many pods must stay while nodes are drained.
    pub pdb: Pdb,
    /// The job that makes the database ready.
    pub init_job: Job,
    /// The job that makes Zitadel ready.
    pub setup_job: Job,
    /// A job that deletes the Secrets when the release goes. They are as dear as the database.
    pub cleanup_job: Part,
    /// Programs of its jobs.
    pub tools: Tools,
}

/// An image of the chart.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct ZitadelImage {
    /// Registry and path.
    pub repository: String,
}

/// Its configuration.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct Inner {
    /// What does not have to be kept secret.
    pub configmap_config: ConfigmapConfig,
    /// The Secret with its master key: 32 characters below `masterkey`. Whoever has it and the database
    /// has everything, and without it the database is worthless.
    pub masterkey_secret_name: String,
}

/// What does not have to be kept secret, in Zitadel's own words.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[allow(
    non_snake_case,
    reason = "keys of another program, which `v!` refers to"
)]
#[schemars(extend("additionalProperties" = true))]
pub struct ConfigmapConfig {
    /// The host that people and devices know it by, such as `id.example.com`: the issuer's.
    pub ExternalDomain: String,
    /// The port they reach it at.
    pub ExternalPort: u16,
    /// Whether they reach it by TLS, which an ingress or a route ends.
    pub ExternalSecure: bool,
}

/// The pages where people log in.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct Login {
    /// How many pods run.
    pub replica_count: u32,
    /// Their image.
    pub image: ZitadelImage,
    /// How many pods must stay while nodes are drained.
    pub pdb: Pdb,
    /// Processor and memory.
    #[schemars(with = "FreeForm")]
    pub resources: Resources,
}

/// How many pods must stay while nodes are drained.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("additionalProperties" = true))]
pub struct Pdb {
    /// Make a budget.
    pub enabled: bool,
    /// How many may be missing.
    pub max_unavailable: u32,
}

/// A job.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Job {
    /// Processor and memory of each of its containers.
    #[schemars(with = "FreeForm")]
    pub resources: Resources,
}

/// Programs of the jobs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Tools {
    /// Keeps what setting up brought forth, as Secrets.
    pub kubectl: Kubectl,
    /// Lets the pages wait for Zitadel.
    pub wait4x: Job,
}

/// One of them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Kubectl {
    /// Its image.
    pub image: KubectlImage,
}

/// Its image.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct KubectlImage {
    /// The version.
    pub tag: String,
}

impl Default for Zitadel {
    fn default() -> Self {
        Self {
            enabled: true,
            fullname_override: names::ZITADEL.to_owned(),
            replica_count: 1,
            image: image("ghcr.io/zitadel/zitadel"),
            image_registry: "docker.io".to_owned(),
            zitadel: Inner {
                configmap_config: ConfigmapConfig {
                    ExternalDomain: String::new(),
                    ExternalPort: 443,
                    ExternalSecure: true,
                },
                masterkey_secret_name: names::ZITADEL_MASTERKEY.to_owned(),
            },
            env: vec![database()],
            pod_security_context: context::pod(),
            security_context: context::container(),
            resources: Resources::default()
                .request("cpu", "100m")
                .request("memory", "256Mi")
                .limit("memory", "1Gi"),
            login: Login {
                replica_count: 1,
                image: image("ghcr.io/zitadel/zitadel-login"),
                pdb: no_budget(),
                resources: Resources::default()
                    .request("cpu", "50m")
                    .request("memory", "128Mi")
                    .limit("memory", "512Mi"),
            },
            pdb: no_budget(),
            init_job: job("128Mi"),
            setup_job: job("128Mi"),
            cleanup_job: Part { enabled: false },
            tools: Tools {
                kubectl: Kubectl {
                    image: KubectlImage {
                        tag: KUBECTL.to_owned(),
                    },
                },
                wait4x: job("16Mi"),
            },
        }
    }
}

fn job(memory: &str) -> Job {
    let resources = Resources::default().request("cpu", "10m");
    Job {
        resources: resources.request("memory", memory),
    }
}

fn image(repository: &str) -> ZitadelImage {
    ZitadelImage {
        repository: repository.to_owned(),
    }
}

/// One pod has to go when its node is drained.
fn no_budget() -> Pdb {
    Pdb {
        enabled: false,
        max_unavailable: 1,
    }
}

/// Where the database is, and the login there.
fn database() -> EnvVar {
    EnvVar {
        name: "ZITADEL_DATABASE_POSTGRES_DSN".to_owned(),
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: names::ZITADEL_DATABASE.to_owned(),
                key: "dsn".to_owned(),
                ..SecretKeySelector::default()
            }),
            ..EnvVarSource::default()
        }),
        ..EnvVar::default()
    }
}
