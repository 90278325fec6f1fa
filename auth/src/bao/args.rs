//! Options about OpenBao.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::client::{BaoError, BaoLogin, BaoSettings};
use super::policies::Freshness;
use super::setup::{CALLOUT_POLICY, JwtSetup, KubernetesSetup, Setup};

/// Where Kubernetes puts the token of a pod's service account.
const POD_TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

/// How OpenBao is reached. By default services log in with their service account.
#[derive(Debug, Clone, Args)]
pub struct BaoArgs {
    /// `https://host:port` of OpenBao.
    #[arg(long, env = "FLEET_BAO_ADDRESS")]
    pub bao_address: Option<String>,
    /// PEM file with the certificate authority of OpenBao. Default: the system's.
    #[arg(long, env = "FLEET_BAO_CA_FILE")]
    pub bao_ca_file: Option<PathBuf>,
    /// The role to take at auth/kubernetes. Default: fleet-callout, for `enrol` fleet-enrol.
    #[arg(long, env = "FLEET_BAO_ROLE")]
    pub bao_role: Option<String>,
    /// The file with the service account's token.
    #[arg(long, env = "FLEET_BAO_TOKEN_FILE", default_value = POD_TOKEN)]
    pub bao_token_file: PathBuf,
    /// The id of a role at auth/approle, to log in there instead.
    #[arg(
        long,
        env = "FLEET_BAO_APPROLE_ID",
        requires = "bao_approle_secret_file"
    )]
    pub bao_approle_id: Option<String>,
    /// The file with the secret id for it.
    #[arg(long, env = "FLEET_BAO_APPROLE_SECRET_FILE")]
    pub bao_approle_secret_file: Option<PathBuf>,
}

impl BaoArgs {
    /// None without an address.
    pub fn settings(&self) -> Option<BaoSettings> {
        self.settings_as(CALLOUT_POLICY)
    }

    /// The same for a service with a role of its own.
    pub fn settings_as(&self, role: &str) -> Option<BaoSettings> {
        let approle = self.bao_approle_id.clone();
        let login = match approle.zip(self.bao_approle_secret_file.clone()) {
            Some((role_id, secret_id_file)) => BaoLogin::AppRole {
                role_id,
                secret_id_file,
            },
            None => BaoLogin::Kubernetes {
                role: self.bao_role.clone().unwrap_or_else(|| role.to_owned()),
                token_file: self.bao_token_file.clone(),
            },
        };
        Some(BaoSettings {
            address: self.bao_address.clone()?,
            ca_file: self.bao_ca_file.clone(),
            login,
        })
    }
}

/// How long policies from OpenBao are used.
#[derive(Debug, Clone, Copy, Args)]
pub struct FreshnessArgs {
    /// Seconds for which a policy is used without reading it again.
    #[arg(long, env = "FLEET_POLICY_TTL", default_value_t = 30)]
    pub policy_ttl: u64,
    /// Seconds for which it is used while OpenBao is away; then its device waits.
    #[arg(long, env = "FLEET_POLICY_MAX_AGE", default_value_t = 86_400)]
    pub policy_max_age: u64,
    /// Devices whose policies are kept.
    #[arg(long, env = "FLEET_POLICY_CAPACITY", default_value_t = 100_000)]
    pub policy_capacity: usize,
}

impl From<FreshnessArgs> for Freshness {
    fn from(args: FreshnessArgs) -> Self {
        Self {
            fresh: Duration::from_secs(args.policy_ttl),
            max_age: Duration::from_secs(args.policy_max_age.max(args.policy_ttl)),
            capacity: args.policy_capacity,
        }
    }
}

/// What to set up.
#[derive(Debug, Clone, Subcommand)]
pub enum ProvisionCommand {
    /// Make OpenBao hold what the fleet needs. A second run changes nothing.
    Openbao(Box<ProvisionArgs>),
    /// Make Zitadel hold a project for the fleet, its roles, and applications for people. A second
    /// run changes nothing.
    Zitadel(Box<crate::zitadel::args::ProvisionArgs>),
}

/// Options of `provision openbao`.
#[derive(Debug, Clone, Args)]
pub struct ProvisionArgs {
    /// Only say what would be done.
    #[arg(long)]
    pub plan: bool,
    /// How OpenBao is reached.
    #[command(flatten)]
    pub bao: BaoArgs,
    /// A new file for OpenBao's recovery key, which is made if there is none. Changing the seal key
    /// needs that there is one; moving to another kind of seal needs the file: keep it off the cluster.
    #[arg(long)]
    pub recovery_key_file: Option<PathBuf>,
    /// The API server as OpenBao reaches it, such as `https://kubernetes.default.svc`; sets up
    /// logins with service accounts.
    #[arg(long, env = "FLEET_KUBERNETES_HOST")]
    pub kubernetes_host: Option<String>,
    /// PEM file with its authority. Default: OpenBao finds it in its own pod.
    #[arg(long, env = "FLEET_KUBERNETES_CA_FILE")]
    pub kubernetes_ca_file: Option<PathBuf>,
    /// What service accounts' tokens must be made for. Default: anything.
    #[arg(long, env = "FLEET_KUBERNETES_AUDIENCE")]
    pub kubernetes_audience: Option<String>,
    /// The namespace of the services.
    #[arg(long, env = "FLEET_NAMESPACE", default_value = "fleet-system")]
    pub namespace: String,
    /// The service account of the callout.
    #[arg(
        long,
        env = "FLEET_CALLOUT_ACCOUNT",
        default_value = "fleet-auth-callout"
    )]
    pub callout_account: String,
    /// The service account of the enrolment service.
    #[arg(long, env = "FLEET_ENROL_ACCOUNT", default_value = "fleet-auth-enrol")]
    pub enrol_account: String,
    /// Whose tokens may write policies; sets up logins with them.
    #[arg(
        long,
        env = "FLEET_JWT_ISSUER",
        requires_all = ["jwt_jwks_url", "jwt_audience", "jwt_claims"]
    )]
    pub jwt_issuer: Option<String>,
    /// Where the issuer's keys are.
    #[arg(long, env = "FLEET_JWT_JWKS_URL")]
    pub jwt_jwks_url: Option<String>,
    /// PEM file with the issuer's authority. Default: the system's.
    #[arg(long, env = "FLEET_JWT_CA_FILE")]
    pub jwt_ca_file: Option<PathBuf>,
    /// What tokens must be made for.
    #[arg(long, env = "FLEET_JWT_AUDIENCE")]
    pub jwt_audience: Option<String>,
    /// A claim that tokens must have, as `name=value`; the name may be a JSON pointer. Can be
    /// repeated.
    #[arg(long = "jwt-claim", value_parser = claim)]
    pub jwt_claims: Vec<(String, String)>,
}

fn claim(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("a claim is name=value")?;
    if name.is_empty() || value.is_empty() {
        return Err("a claim has a name and a value");
    }
    Ok((name.to_owned(), value.to_owned()))
}

impl ProvisionArgs {
    /// What is to be set up.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub fn setup(&self) -> Result<Setup, BaoError> {
        let mut setup = Setup {
            recovery_key_file: self.recovery_key_file.clone(),
            ..Setup::default()
        };
        if let Some(host) = &self.kubernetes_host {
            setup.kubernetes = Some(KubernetesSetup {
                host: host.clone(),
                ca: read(self.kubernetes_ca_file.as_ref())?,
                namespace: self.namespace.clone(),
                callout: self.callout_account.clone(),
                enrol: self.enrol_account.clone(),
                audience: self.kubernetes_audience.clone(),
            });
        }
        let jwt = (&self.jwt_issuer, &self.jwt_jwks_url, &self.jwt_audience);
        if let (Some(issuer), Some(jwks_url), Some(audience)) = jwt {
            setup.jwt = Some(JwtSetup {
                issuer: issuer.clone(),
                jwks_url: jwks_url.clone(),
                ca: read(self.jwt_ca_file.as_ref())?,
                audience: audience.clone(),
                claims: self.jwt_claims.iter().cloned().collect(),
            });
        }
        Ok(setup)
    }
}

/// The file, or nothing where none is named.
fn read(path: Option<&PathBuf>) -> Result<String, BaoError> {
    let Some(path) = path else {
        return Ok(String::new());
    };
    fs::read_to_string(path).map_err(|source| BaoError::File {
        path: path.clone(),
        source,
    })
}
