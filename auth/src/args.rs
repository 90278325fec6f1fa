//! The command line; every option is a variable of the environment too.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::builder::NonEmptyStringValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use fleet_auth_core::OnClone;
use fleet_auth_core::rules::Pointer;
use fleet_service::LogFormat;

/// Who may use the fleet's bus.
#[derive(Debug, Parser)]
#[command(name = "fleet-auth", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Answer NATS about each device that logs in.
    Callout(Box<CalloutArgs>),
    /// Set up what keeps the fleet's secrets.
    #[command(subcommand)]
    Provision(crate::bao::args::ProvisionCommand),
    /// Make the platform's own keys.
    #[command(subcommand)]
    Secrets(crate::secrets::args::SecretsCommand),
    /// Let devices ask to join, and give those that are approved a user at the identity provider.
    Enrol(Box<crate::enrol::args::EnrolArgs>),
    /// Make what a device needs to ask.
    #[command(subcommand)]
    Token(crate::enrol::args::TokenCommand),
}

/// Options of `callout`.
#[derive(Debug, Clone, Args)]
pub struct CalloutArgs {
    /// How NATS is reached, and what is signed for it.
    #[command(flatten)]
    pub bus: BusArgs,
    /// Which tokens are taken.
    #[command(flatten)]
    pub token: TokenArgs,
    /// Where the keys that verify them are.
    #[command(flatten)]
    pub keys: KeyArgs,
    /// What devices get.
    #[command(flatten)]
    pub grant: GrantArgs,
    /// Address of /metrics, /healthz and /readyz; port 0 takes a free one, which is logged.
    #[arg(long, env = "FLEET_METRICS_ADDR", default_value = "0.0.0.0:8080")]
    pub metrics_addr: SocketAddr,
    /// How log lines look.
    #[arg(long, env = "FLEET_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// How NATS is reached, and what is signed for it.
#[derive(Debug, Clone, Args)]
pub struct BusArgs {
    /// `nats://host:port` or `tls://host:port`, several separated by commas.
    #[arg(long, env = "NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,
    /// File with the seed of the callout's nkey in account AUTH.
    #[arg(long, env = "FLEET_NATS_SEED_FILE")]
    pub nats_seed_file: PathBuf,
    /// PEM file with the certificate authority of NATS.
    #[arg(long, env = "FLEET_NATS_CA_FILE")]
    pub nats_ca_file: Option<PathBuf>,
    /// File with the seed of the callout's nkey in the system account. With it connections of devices
    /// that are denied are closed at once; without it they last until they would have to log in again.
    #[arg(long, env = "FLEET_NATS_SYSTEM_SEED_FILE")]
    pub nats_system_seed_file: Option<PathBuf>,
    /// Files with the seeds (SA…) of the issuers that servers believe, comma-separated: two while
    /// servers are restarted with another one.
    #[arg(
        long = "issuer-seed-file",
        env = "FLEET_ISSUER_SEED_FILES",
        value_delimiter = ',',
        required = true
    )]
    pub issuer_seed_files: Vec<PathBuf>,
    /// Files with the seeds (SX…) of the curve keys that servers seal requests to, comma-separated.
    #[arg(
        long = "xkey-seed-file",
        env = "FLEET_XKEY_SEED_FILES",
        value_delimiter = ',',
        required = true
    )]
    pub xkey_seed_files: Vec<PathBuf>,
    /// The account that devices are put into.
    #[arg(long, env = "FLEET_DEVICE_ACCOUNT", default_value = fleet_bus::account::DEVICES)]
    pub account: String,
    /// Requests that are worked on at the same time; further ones wait.
    #[arg(long, env = "FLEET_CONCURRENCY", default_value_t = 256)]
    pub concurrency: usize,
}

/// Which tokens are taken. Claims are JSON pointers (RFC 6901) such as `/realm_access/roles`.
#[derive(Debug, Clone, Args)]
pub struct TokenArgs {
    /// The identity provider: `iss`, to the letter.
    #[arg(long, env = "FLEET_OIDC_ISSUER", value_parser = NonEmptyStringValueParser::new())]
    pub oidc_issuer: String,
    /// What `aud` must hold: with Zitadel the project's id.
    #[arg(long, env = "FLEET_OIDC_AUDIENCE", value_parser = NonEmptyStringValueParser::new())]
    pub oidc_audience: String,
    /// The claim with the roles. Default: Zitadel's, for the project that is the audience.
    #[arg(long, env = "FLEET_OIDC_ROLE_CLAIM")]
    pub oidc_role_claim: Option<Pointer>,
    /// The role that makes a device.
    #[arg(
        long,
        env = "FLEET_OIDC_ROLE",
        default_value = "device",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub oidc_role: String,
    /// The organisation in which the role must be held.
    #[arg(
        long,
        env = "FLEET_OIDC_ORGANISATION",
        required_unless_present = "oidc_single_organisation",
        value_parser = NonEmptyStringValueParser::new()
    )]
    pub oidc_organisation: Option<String>,
    /// The claim with the user's organisation. Default: it is in the role, as Zitadel has it.
    #[arg(long, env = "FLEET_OIDC_ORGANISATION_CLAIM")]
    pub oidc_organisation_claim: Option<Pointer>,
    /// The issuer serves one organisation only, such as a realm of Keycloak.
    #[arg(
        long,
        env = "FLEET_OIDC_SINGLE_ORGANISATION",
        conflicts_with_all = ["oidc_organisation", "oidc_organisation_claim"]
    )]
    pub oidc_single_organisation: bool,
    /// The claim with the device's id.
    #[arg(
        long,
        env = "FLEET_OIDC_DEVICE_CLAIM",
        default_value = "/urn:zitadel:iam:user:metadata/device-id"
    )]
    pub oidc_device_claim: Pointer,
    /// How that is written.
    #[arg(long, env = "FLEET_OIDC_DEVICE_ENCODING", value_enum, default_value_t = DeviceEncoding::Base64url)]
    pub oidc_device_encoding: DeviceEncoding,
    /// Seconds by which the clocks of identity provider and callout may differ.
    #[arg(long, env = "FLEET_OIDC_LEEWAY", default_value_t = 5)]
    pub oidc_leeway: u64,
    /// Seconds after which a token is too old, whatever its expiry says.
    #[arg(long, env = "FLEET_OIDC_MAX_AGE", default_value_t = 3600)]
    pub oidc_max_age: u64,
}

/// How the claim with the device's id is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DeviceEncoding {
    /// As it is.
    Plain,
    /// In base64url, as Zitadel has metadata.
    Base64url,
}

/// What happens when one identity turns out to be in two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CloneAction {
    /// It is said in the audit log and counted.
    Alert,
    /// And the device is denied until somebody decides otherwise.
    Deny,
}

impl From<CloneAction> for OnClone {
    fn from(action: CloneAction) -> Self {
        match action {
            CloneAction::Alert => Self::Alert,
            CloneAction::Deny => Self::Deny,
        }
    }
}

/// Where the keys that verify tokens are.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// Where the issuer is reached, if not at its own address: the URL of a Service, say.
    #[arg(long, env = "FLEET_IDP_URL")]
    pub idp_url: Option<String>,
    /// The `Host` to ask for there. Default: the issuer's.
    #[arg(
        long,
        env = "FLEET_IDP_HOST",
        requires = "idp_url",
        conflicts_with = "jwks_host"
    )]
    pub idp_host: Option<String>,
    /// Where the keys are. Default: what the issuer's discovery document says.
    #[arg(long, env = "FLEET_JWKS_URL")]
    pub jwks_url: Option<String>,
    /// The `Host` to ask for, where the URL names a Service inside the cluster and the identity
    /// provider goes by its outer name.
    #[arg(long, env = "FLEET_JWKS_HOST", requires = "jwks_url")]
    pub jwks_host: Option<String>,
    /// PEM file with the certificate authority of the identity provider. Default: the system's.
    #[arg(long, env = "FLEET_OIDC_CA_FILE")]
    pub oidc_ca_file: Option<PathBuf>,
    /// Seconds after which the keys are read again.
    #[arg(long, env = "FLEET_JWKS_TTL", default_value_t = 300.0)]
    pub jwks_ttl: f64,
    /// Seconds between two readings that unknown keys give cause to.
    #[arg(long, env = "FLEET_JWKS_MIN_INTERVAL", default_value_t = 10.0)]
    pub jwks_min_interval: f64,
    /// Seconds for which the keys are used while they cannot be read again; then devices wait.
    #[arg(long, env = "FLEET_JWKS_MAX_AGE", default_value_t = 86_400.0)]
    pub jwks_max_age: f64,
    /// File in which the keys outlive a restart, in case the identity provider is away then. Nobody
    /// else may be able to write there.
    #[arg(long, env = "FLEET_KEYS_CACHE_FILE")]
    pub keys_cache_file: Option<PathBuf>,
}

/// What devices get.
#[derive(Debug, Clone, Args)]
pub struct GrantArgs {
    /// JSON file with the policies; it is read again when it changes. Not with OpenBao, which then
    /// has them.
    #[arg(
        long,
        env = "FLEET_POLICY_FILE",
        required_unless_present = "bao_address",
        conflicts_with = "bao_address"
    )]
    pub policy_file: Option<PathBuf>,
    /// Where policies are instead of a file.
    #[command(flatten)]
    pub bao: crate::bao::args::BaoArgs,
    /// How long those are used.
    #[command(flatten)]
    pub freshness: crate::bao::args::FreshnessArgs,
    /// What happens when one identity turns out to be in two places, where the device's policy says
    /// nothing.
    #[arg(long, env = "FLEET_ON_CLONE", value_enum, default_value_t = CloneAction::Alert)]
    pub on_clone: CloneAction,
    /// Seconds after which a device has to log in again at the latest.
    #[arg(long, env = "FLEET_MAX_LIFETIME", default_value_t = 3600)]
    pub max_lifetime: u64,
    /// The largest message of a device, in bytes.
    #[arg(long, env = "FLEET_MAX_PAYLOAD", default_value_t = 256 * 1024)]
    pub max_payload: u32,
    /// Logins of one device that are taken at once.
    #[arg(long, env = "FLEET_LOGIN_BURST", default_value_t = 10)]
    pub login_burst: u32,
    /// Logins of one device that are taken each minute after that.
    #[arg(long, env = "FLEET_LOGINS_PER_MINUTE", default_value_t = 30)]
    pub logins_per_minute: u32,
    /// Logins from one address that may fail at once before its unknown tokens are no longer looked
    /// at. Devices behind one address share this.
    #[arg(long, env = "FLEET_FAILURE_BURST", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    pub failure_burst: u32,
    /// Logins from one address that may fail each minute after that.
    #[arg(long, env = "FLEET_FAILURES_PER_MINUTE", default_value_t = 120, value_parser = clap::value_parser!(u32).range(1..))]
    pub failures_per_minute: u32,
}
