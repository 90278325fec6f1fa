//! What OpenBao has to hold for the fleet, as values.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::denials::DENIED;

/// Where policies of devices are: `kv/data/devices/<id>`.
pub const KV_MOUNT: &str = "kv";
/// The folder of them.
pub const DEVICES: &str = "devices";
/// The policy of who reads what was decided about devices.
pub const CALLOUT_POLICY: &str = "fleet-callout";
/// The policy of who writes it.
pub const ENROL_POLICY: &str = "fleet-enrol";

/// How long a token is good, in seconds, and how long it can be renewed. A lost token is worth
/// little, and a service logs in again by itself.
const TOKEN_TTL: u64 = 20 * 60;
const TOKEN_MAX_TTL: u64 = 24 * 60 * 60;

/// What is to be set up. The store and its policies always are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Setup {
    /// Services log in with their service accounts.
    pub kubernetes: Option<KubernetesSetup>,
    /// Whoever has a token of an identity provider logs in with it.
    pub jwt: Option<JwtSetup>,
    /// Where a recovery key goes if there is none yet; none makes none.
    pub recovery_key_file: Option<PathBuf>,
}

/// Logging in with a service account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesSetup {
    /// The API server, as OpenBao reaches it.
    pub host: String,
    /// Its authority in PEM; empty inside of the cluster, where OpenBao finds it by itself.
    pub ca: String,
    /// The namespace of the services.
    pub namespace: String,
    /// The service account of the callout.
    pub callout: String,
    /// The service account of the enrolment service.
    pub enrol: String,
    /// What tokens must be made for; none takes those for anybody.
    pub audience: Option<String>,
}

/// Logging in with a token of an identity provider; who does may write policies of devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JwtSetup {
    /// What tokens name as their issuer.
    pub issuer: String,
    /// Where its keys are.
    pub jwks_url: String,
    /// Its authority in PEM; empty for the system's.
    pub ca: String,
    /// What tokens must be made for.
    pub audience: String,
    /// Claims that must have these values; keys may be JSON pointers. An audience alone proves
    /// nothing.
    pub claims: BTreeMap<String, String>,
}

/// A policy as OpenBao reads it.
#[derive(Debug, Serialize)]
struct Policy {
    path: BTreeMap<String, Rule>,
}

#[derive(Debug, Serialize)]
struct Rule {
    capabilities: Vec<&'static str>,
}

/// Who changes a record reads it first: it is replaced as a whole.
const CHANGE: [&str; 3] = ["create", "read", "update"];

/// The text of each policy, by name.
pub(super) fn policies() -> [(&'static str, String); 2] {
    let devices = |records: &[&'static str], denials: &[&'static str]| {
        let rule = |path: &str, capabilities: &[&'static str]| {
            let capabilities = capabilities.to_vec();
            (format!("{KV_MOUNT}/data/{path}"), Rule { capabilities })
        };
        // The longer path counts where both fit.
        let rules = [
            rule(&format!("{DEVICES}/*"), records),
            rule(DENIED, denials),
        ];
        let policy = Policy {
            path: BTreeMap::from(rules),
        };
        // Strings and lists always become JSON.
        serde_json::to_string(&policy).unwrap_or_default()
    };
    [
        // Denies clones that it finds.
        (CALLOUT_POLICY, devices(&["read"], &CHANGE)),
        (ENROL_POLICY, devices(&CHANGE, &CHANGE)),
    ]
}

/// `auth/kubernetes/config`, of which only this much is ours.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KubernetesConfig {
    pub(super) kubernetes_host: String,
    pub(super) kubernetes_ca_cert: String,
}

/// `auth/kubernetes/role/<name>`, of which only this much is ours.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct KubernetesRole {
    bound_service_account_names: Vec<String>,
    bound_service_account_namespaces: Vec<String>,
    #[serde(default)]
    audience: String,
    token_policies: Vec<String>,
    token_ttl: u64,
    token_max_ttl: u64,
}

impl KubernetesSetup {
    pub(super) fn config(&self) -> KubernetesConfig {
        KubernetesConfig {
            kubernetes_host: self.host.clone(),
            kubernetes_ca_cert: self.ca.clone(),
        }
    }

    /// The roles by name.
    pub(super) fn roles(&self) -> [(&'static str, KubernetesRole); 2] {
        let role = |account: &str, policy: &str| KubernetesRole {
            bound_service_account_names: vec![account.to_owned()],
            bound_service_account_namespaces: vec![self.namespace.clone()],
            audience: self.audience.clone().unwrap_or_default(),
            token_policies: vec![policy.to_owned()],
            token_ttl: TOKEN_TTL,
            token_max_ttl: TOKEN_MAX_TTL,
        };
        [
            (CALLOUT_POLICY, role(&self.callout, CALLOUT_POLICY)),
            (ENROL_POLICY, role(&self.enrol, ENROL_POLICY)),
        ]
    }
}

/// `auth/jwt/config`, of which only this much is ours.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JwtConfig {
    bound_issuer: String,
    jwks_url: String,
    jwks_ca_pem: String,
}

/// The same as it is written.
#[derive(Debug, Serialize)]
pub(super) struct NewJwtConfig {
    #[serde(flatten)]
    config: JwtConfig,
    /// The provider may start later than OpenBao.
    skip_jwks_validation: bool,
}

/// `auth/jwt/role/<name>`, of which only this much is ours.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct JwtRole {
    role_type: String,
    user_claim: String,
    bound_audiences: Vec<String>,
    bound_claims: BTreeMap<String, String>,
    token_policies: Vec<String>,
    token_ttl: u64,
    token_max_ttl: u64,
}

impl JwtSetup {
    pub(super) fn config(&self) -> JwtConfig {
        JwtConfig {
            bound_issuer: self.issuer.clone(),
            jwks_url: self.jwks_url.clone(),
            jwks_ca_pem: self.ca.clone(),
        }
    }

    pub(super) fn role(&self) -> JwtRole {
        JwtRole {
            role_type: "jwt".to_owned(),
            user_claim: "sub".to_owned(),
            bound_audiences: vec![self.audience.clone()],
            bound_claims: self.claims.clone(),
            token_policies: vec![ENROL_POLICY.to_owned()],
            token_ttl: TOKEN_TTL,
            token_max_ttl: TOKEN_TTL,
        }
    }
}

impl From<JwtConfig> for NewJwtConfig {
    fn from(config: JwtConfig) -> Self {
        Self {
            config,
            skip_jwks_validation: true,
        }
    }
}
