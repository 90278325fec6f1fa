//! The command lines of `enrol` and `token`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleet_auth_core::enrol::rbac::{DEFAULT_LEASE, DEFAULT_NAMESPACE};
use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeviceId, FleetName};
use fleet_service::LogFormat;

use crate::bao::args::BaoArgs;
use crate::zitadel::ConnectionArgs;

/// Options of `enrol`.
#[derive(Debug, Clone, Args)]
pub struct EnrolArgs {
    /// How devices reach it.
    #[command(flatten)]
    pub serve: ServeArgs,
    /// The identity provider that gets users and keys.
    #[command(flatten)]
    pub idp: IdpArgs,
    /// What an approved device is told.
    #[command(flatten)]
    pub fleet: FleetArgs,
    /// Which of them is provisioned by which replica, and what nobody has to approve.
    #[command(flatten)]
    pub decide: DecideArgs,
    /// The policy store that the callout reads; without it, a denial holds at the identity provider
    /// alone, and a device that is connected stays until its token ends.
    #[command(flatten)]
    pub bao: BaoArgs,
    /// Seconds between two readings of a device's policy, for the labels that it may claim.
    #[arg(long, env = "FLEET_POLICY_REFRESH", default_value_t = 300)]
    pub policy_refresh: u64,
    /// The namespace with the enrolment tokens.
    #[arg(long, env = "FLEET_TOKEN_NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    pub token_namespace: String,
    /// Seconds after which an enrolment that nobody decided about is denied.
    #[arg(long, env = "FLEET_APPROVAL_TIMEOUT", default_value_t = 7 * 24 * 3600)]
    pub approval_timeout: u64,
    /// Seconds between two questions of a device that waits.
    #[arg(long, env = "FLEET_POLL_AFTER", default_value_t = 5)]
    pub poll_after: u32,
    /// Address of /metrics, /healthz and /readyz.
    #[arg(long, env = "FLEET_METRICS_ADDR", default_value = "0.0.0.0:8080")]
    pub metrics_addr: SocketAddr,
    /// How log lines look.
    #[arg(long, env = "FLEET_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What nobody has to approve, and which replica provisions.
#[derive(Debug, Clone, Args)]
pub struct DecideArgs {
    /// JSON file with rules: a device that fits one is approved with nobody looking. Read anew for
    /// each device.
    #[arg(long, env = "FLEET_APPROVAL_POLICY_FILE")]
    pub approval_policy_file: Option<PathBuf>,
    /// Name of the Lease, in the namespace of the tokens, by which replicas agree on the one that
    /// provisions. All of them answer devices.
    #[arg(long, env = "FLEET_LEASE_NAME", default_value = DEFAULT_LEASE)]
    pub lease_name: String,
    /// Seconds after which a Lease that was not renewed may be taken.
    #[arg(long, env = "FLEET_LEASE_DURATION", default_value_t = 15)]
    pub lease_duration: u32,
    /// Name of this replica, different from that of every other. Default: in a pod the pod's
    /// (HOSTNAME), else random.
    #[arg(long, env = "FLEET_IDENTITY")]
    pub identity: Option<String>,
}

/// How devices reach it.
#[derive(Debug, Clone, Args)]
pub struct ServeArgs {
    /// Where to listen; port 0 takes a free one, which is logged.
    #[arg(long, env = "FLEET_LISTEN", default_value = "0.0.0.0:8443")]
    pub listen: SocketAddr,
    /// The URLs by which devices know the service, comma-separated: a device's proof names one.
    #[arg(
        long = "public-url",
        env = "FLEET_PUBLIC_URLS",
        value_delimiter = ',',
        required = true
    )]
    pub public_urls: Vec<String>,
    /// PEM file with the service's certificate and those between it and its authority.
    #[arg(long, env = "FLEET_TLS_CERT_FILE", requires = "tls_key_file")]
    pub tls_cert_file: Option<PathBuf>,
    /// PEM file with its key.
    #[arg(long, env = "FLEET_TLS_KEY_FILE", requires = "tls_cert_file")]
    pub tls_key_file: Option<PathBuf>,
    /// Folder of an authority of its own, made there if there is none: devices pin `ca.crt`. The
    /// certificate is for the hosts of the public URLs.
    #[arg(
        long,
        env = "FLEET_TLS_FOLDER",
        required_unless_present = "tls_cert_file",
        conflicts_with = "tls_cert_file"
    )]
    pub tls_folder: Option<PathBuf>,
    /// Calls of one address that are taken at once.
    #[arg(long, env = "FLEET_CALL_BURST", default_value_t = 30)]
    pub call_burst: u32,
    /// Calls of one address that are taken each minute after that.
    #[arg(long, env = "FLEET_CALLS_PER_MINUTE", default_value_t = 60)]
    pub calls_per_minute: u32,
}

/// The identity provider that gets users and keys.
#[derive(Debug, Clone, Args)]
pub struct IdpArgs {
    /// How it is reached: with a token that may manage users and role grants.
    #[command(flatten)]
    pub connection: ConnectionArgs,
    /// The organisation that devices belong to.
    #[arg(long, env = "FLEET_OIDC_ORGANISATION")]
    pub oidc_organisation: String,
    /// The project whose role they get.
    #[arg(long, env = "FLEET_OIDC_PROJECT")]
    pub oidc_project: String,
    /// The role that makes a device.
    #[arg(long, env = "FLEET_OIDC_ROLE", default_value = "device")]
    pub oidc_role: String,
    /// Seconds for which a device's key is taken. After two thirds of it the device replaces the key.
    #[arg(long, env = "FLEET_KEY_LIFETIME", default_value_t = 90 * 24 * 3600)]
    pub key_lifetime: u32,
}

/// What an approved device is told.
#[derive(Debug, Clone, Args)]
pub struct FleetArgs {
    /// Where the bus is; several separated by commas.
    #[arg(long, env = "FLEET_DEVICE_NATS_URL")]
    pub device_nats_url: String,
    /// PEM file with certificates of the bus for devices to trust beside the system's.
    #[arg(long, env = "FLEET_DEVICE_NATS_CA_FILE")]
    pub device_nats_ca_file: Option<PathBuf>,
    /// PEM file with the only certificates that devices shall trust at the identity provider.
    #[arg(long, env = "FLEET_DEVICE_ISSUER_CA_FILE")]
    pub device_issuer_ca_file: Option<PathBuf>,
    /// Whose manifests devices follow: public keys, comma-separated.
    #[arg(
        long = "manifest-key",
        env = "FLEET_MANIFEST_KEYS",
        value_delimiter = ',',
        required = true
    )]
    pub manifest_keys: Vec<TrustedKey>,
}

/// `token`.
#[derive(Debug, Clone, Subcommand)]
pub enum TokenCommand {
    /// Make an enrolment token, good for one device, and print it: it is shown this once.
    Create(TokenCreateArgs),
}

/// Options of `token create`. The cluster is that of KUBECONFIG, or the pod's own.
#[derive(Debug, Clone, Args)]
pub struct TokenCreateArgs {
    /// How long it is good, such as 90s, 30m, 24h or 7d.
    #[arg(long, default_value = "24h", value_parser = ttl)]
    pub ttl: u64,
    /// The one device id it is for.
    #[arg(long)]
    pub device_id: Option<DeviceId>,
    /// A label that the device may ask for, KEY=VALUE; repeatable. Without any, it may ask for all.
    #[arg(long = "label", value_parser = label)]
    pub labels: Vec<(String, String)>,
    /// The fleet it is made for: rules of the approval policy can ask for it.
    #[arg(long)]
    pub fleet: Option<FleetName>,
    /// The namespace with the enrolment tokens.
    #[arg(long, env = "FLEET_TOKEN_NAMESPACE", default_value = DEFAULT_NAMESPACE)]
    pub token_namespace: String,
}

impl TokenCreateArgs {
    /// The labels it is bound to; none if it is not.
    pub fn bound_labels(&self) -> Option<BTreeMap<String, String>> {
        (!self.labels.is_empty()).then(|| self.labels.iter().cloned().collect())
    }
}

/// The longest a token may be good: 30 days. It is a secret that somebody carries to a device.
const LONGEST: u64 = 30 * 24 * 3600;

fn ttl(given: &str) -> Result<u64, String> {
    let wrong = || format!("{given:?} is no time such as 90s, 30m, 24h or 7d, of at most 30d");
    let unit = given.chars().last().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3600,
        'd' => 24 * 3600,
        _ => return Err(wrong()),
    };
    let number: Option<u64> = given.strip_suffix(unit).and_then(|n| n.parse().ok());
    let seconds = number.and_then(|n| n.checked_mul(factor));
    seconds
        .filter(|s| (1..=LONGEST).contains(s))
        .ok_or_else(wrong)
}

fn label(given: &str) -> Result<(String, String), String> {
    let pair = given.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| format!("{given:?} is not KEY=VALUE"))?;
    Ok((key.to_owned(), value.to_owned()))
}
