//! The values of the chart `fleet-auth`.

use chartgen::common::{
    Annotations, ExistingSecret, FreeFormList, Global, Image, Labels, PullSecret,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::enrolling::{Approval, Devices, EnrolmentApi, EnrolmentTokens};
use super::setup::Setup;
use crate::workload::values::{
    FULL_NAME, Log, Metrics, NAME, NATS_URL, OBJECT_NAME, PrometheusRule, Task, Workload,
};

/// All of them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Values {
    /// Settings shared with other charts of an umbrella.
    pub global: Global,
    /// Instead of the chart's name in the names of objects.
    #[schemars(regex(pattern = NAME), length(max = 63))]
    pub name_override: String,
    /// Instead of release and chart name in the names of objects.
    #[schemars(regex(pattern = FULL_NAME), length(max = 63))]
    pub fullname_override: String,
    /// Labels for every object.
    pub common_labels: Labels,
    /// Annotations for every object.
    pub common_annotations: Annotations,

    /// The image of `fleet-auth`.
    pub image: Image,
    /// Secrets with the login of the image's registry, each as `{name: …}`.
    pub image_pull_secrets: Vec<PullSecret>,

    /// The bus.
    pub nats: Nats,
    /// The identity provider, whose tokens devices log in with.
    pub oidc: Oidc,
    /// `OpenBao`, which keeps what was decided about devices.
    pub openbao: OpenBao,
    /// The platform's keys. `secretsJob` makes them; nothing here does.
    pub keys: Keys,
    /// What is logged.
    pub log: Log,

    /// The auth callout: answers the bus's question who may log in, and as what.
    pub callout: Workload,
    /// How logins are answered.
    pub logins: Logins,

    /// The enrolment service: devices ask it to join.
    pub enrolment: Workload,
    /// How devices reach it.
    pub enrolment_api: EnrolmentApi,
    /// The tokens by which devices may ask.
    pub enrolment_tokens: EnrolmentTokens,
    /// Who is approved.
    pub approval: Approval,
    /// What an approved device is told.
    pub devices: Devices,

    /// Makes the platform's keys as Secrets, each once.
    pub secrets_job: Task,
    /// Makes `OpenBao` hold what the fleet needs.
    pub openbao_job: Task,
    /// Makes Zitadel hold a project for the fleet, and tells the services of this chart its ids.
    pub zitadel_job: Task,

    /// Roles.
    pub rbac: Rbac,
    /// What may reach pods, and what they may reach.
    pub network_policy: NetworkPolicy,
    /// Metrics.
    pub metrics: Metrics<PrometheusRule>,
    /// Further objects to install, whose strings are templates.
    pub extra_objects: FreeFormList,
}

/// The bus.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Nats {
    /// `nats://host:port` or `tls://host:port`, several separated by commas.
    #[schemars(regex(pattern = NATS_URL))]
    pub url: String,
    /// The Secret with the certificate authority of the server. Without a name, the server's
    /// certificate must be one of a public authority, or the URL begin with `nats://`.
    pub ca: ExistingSecret,
}

/// The identity provider.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Oidc {
    /// `iss` of its tokens, to the letter.
    #[schemars(regex(pattern = r"^(https?://[^\s]+)?$"))]
    pub issuer: String,
    /// Where it is reached, if not at the issuer's address: the URL of a Service, say.
    #[schemars(regex(pattern = r"^(https?://[^\s]+)?$"))]
    pub url: String,
    /// The host to ask for there. Empty for that of the issuer's address if `url` is set.
    pub host: String,
    /// Where its keys are. Empty for what its discovery document says.
    #[schemars(regex(pattern = r"^(https?://[^\s]+)?$"))]
    pub jwks_url: String,
    /// The Secret with its certificate authority. Without a name: the public ones.
    pub ca: ExistingSecret,
    /// The id of the project that tokens are made for (`aud`). Empty for what `zitadelJob` finds out.
    pub project: String,
    /// The id of the organisation that devices belong to. Empty for what `zitadelJob` finds out.
    pub organisation: String,
    /// The role that makes a device.
    #[schemars(length(min = 1))]
    pub role: String,
    /// The Secret with the enrolment service's access token, which may manage users and role grants of the
    /// organisation. `zitadelJob` makes it, with a user of its own, unless it is there.
    pub token: ExistingSecret,
    /// How `zitadelJob` sets Zitadel up.
    pub setup: Setup,
}

/// `OpenBao`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenBao {
    /// `https://host:port`.
    #[schemars(regex(pattern = r"^(https://[^\s]+)?$"))]
    pub address: String,
    /// The Secret with its certificate authority. Without a name: the public ones.
    pub ca: ExistingSecret,
    /// It runs outside of this cluster: `openbaoJob` tells it the API server's authority, and it asks the
    /// API server about a service's token with that token. So the token is one for the API server, and both
    /// services are bound to `system:auth-delegator`. Inside, services log in with tokens that are for nobody
    /// but `OpenBao`.
    pub external: bool,
    /// The role at `auth/kubernetes` that may set everything up, for `openbaoJob`.
    #[schemars(length(min = 1))]
    pub provisioner_role: String,
    /// The API server, as `OpenBao` reaches it.
    #[schemars(regex(pattern = r"^https://[^\s]+$"))]
    pub kubernetes_host: String,
}

/// The platform's keys.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Keys {
    /// The callout's login at the bus.
    pub callout: ExistingSecret,
    /// Its second login, by which it closes connections of devices.
    pub enforcer: ExistingSecret,
    /// Signs the users that the callout lets in.
    pub issuer: KeyRing,
    /// Opens the requests that servers of the bus seal for the callout.
    pub xkey: KeyRing,
    /// The number of `OpenBao`'s seal key: one more than before makes a further one, and the earlier
    /// ones stay.
    #[schemars(range(min = 1))]
    pub seal_number: u32,
    /// Names by which `OpenBao` is known in the cluster: `secretsJob` makes a certificate for them, once,
    /// as the Secret `fleet-openbao-tls`. Empty where it has one of yours.
    #[schemars(inner(length(min = 1)))]
    pub openbao_hosts: Vec<String>,
    /// Make the key that Zitadel encrypts its database with, once, as the Secret
    /// `fleet-zitadel-masterkey`. A Job like `secretsJob` does it before everything else of the release,
    /// for so do Zitadel's own Jobs, which need it.
    pub zitadel_masterkey: bool,
    /// The public keys whose manifests devices follow: an entry of a `ConfigMap`, separated by commas.
    pub manifests: ExistingConfigMap,
}

/// A Secret with a key, and while it is changed with two.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeyRing {
    /// Name of a Secret in the namespace of the release.
    #[schemars(regex(pattern = OBJECT_NAME), length(min = 1, max = 253))]
    pub name: String,
    /// Its entries that are used. While the key is changed also `seed.next` or `seed.previous`.
    #[schemars(length(min = 1), inner(regex(pattern = "^[-._a-zA-Z0-9]+$")))]
    pub entries: Vec<String>,
}

/// One entry of a `ConfigMap` that the chart does not create.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExistingConfigMap {
    /// Name of a `ConfigMap` in the namespace of the release.
    #[schemars(regex(pattern = OBJECT_NAME), length(min = 1, max = 253))]
    pub name: String,
    /// Its entry.
    #[schemars(regex(pattern = "^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// How logins are answered.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Logins {
    /// What happens when one identity turns out to be in two places, where the device's policy says
    /// nothing.
    pub on_clone: OnClone,
    /// Seconds after which a device has to log in again at the latest.
    #[schemars(range(min = 60))]
    pub max_lifetime_seconds: u32,
    /// Seconds for which a device's policy is used while `OpenBao` is away; then the device waits.
    pub policy_max_age_seconds: u32,
    /// Logins of one device that are taken at once.
    #[schemars(range(min = 1))]
    pub burst: u32,
    /// Logins of one device that are taken each minute after that.
    #[schemars(range(min = 1))]
    pub per_minute: u32,
    /// Logins from one address that may fail at once before its unknown tokens are no longer looked
    /// at. Devices behind one address share this.
    #[schemars(range(min = 1))]
    pub failure_burst: u32,
    /// Logins from one address that may fail each minute after that.
    #[schemars(range(min = 1))]
    pub failures_per_minute: u32,
}

/// What happens when one identity turns out to be in two places.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OnClone {
    /// It is said in the audit log and counted.
    Alert,
    /// And the device is denied until somebody decides otherwise.
    Deny,
}

/// Roles.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rbac {
    /// Make the roles and bindings of enrolment service and `secretsJob`.
    pub create: bool,
}

/// What may reach pods, and what they may reach.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NetworkPolicy {
    /// Allow only what is needed: metrics, probes and devices that enrol in; name resolution, the
    /// API server, NATS, `OpenBao` and the identity provider out.
    pub enabled: bool,
    /// Ports of the API server, after translation by its Service.
    #[schemars(inner(range(min = 1)))]
    pub api_server_ports: Vec<u16>,
    /// Ports of NATS.
    #[schemars(inner(range(min = 1)))]
    pub nats_ports: Vec<u16>,
    /// Ports of `OpenBao`.
    #[schemars(inner(range(min = 1)))]
    pub openbao_ports: Vec<u16>,
    /// Ports of the identity provider.
    #[schemars(inner(range(min = 1)))]
    pub oidc_ports: Vec<u16>,
    /// Who may read metrics, as a list of `NetworkPolicy` peers; empty: everyone.
    pub metrics_from: FreeFormList,
    /// Who may ask to join, as such a list; empty: everyone.
    pub devices_from: FreeFormList,
    /// Further rules for what pods may reach.
    pub extra_egress: FreeFormList,
}
