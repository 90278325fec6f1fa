//! The command line; every option is a variable of the environment too.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use fleet_contracts::signing::TrustedKey;
use fleet_operator_core::claims::Unenrolled;
use fleet_service::LogFormat;

/// The operator of fleet-platform.
#[derive(Debug, Parser)]
#[command(name = "fleet-operator", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

impl Cli {
    /// Parses the command line; without a subcommand, `run` is meant.
    pub fn from_command_line(args: impl IntoIterator<Item = OsString>) -> Self {
        let mut args: Vec<_> = args.into_iter().collect();
        let named = args.get(1).and_then(|arg| arg.to_str()).is_some_and(|arg| {
            let command = Self::command();
            let is_ours = command
                .get_subcommands()
                .any(|known| known.get_name() == arg);
            is_ours || ["help", "--help", "-h", "--version", "-V"].contains(&arg)
        });
        if !named {
            args.insert(1.min(args.len()), "run".into());
        }
        Self::parse_from(args)
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator (the default).
    ///
    /// The API server is the one of KUBECONFIG, else of ~/.kube/config, else of the pod. Proxies of
    /// the environment (`HTTPS_PROXY`) are not used for it; a `proxy-url` of the kubeconfig is.
    Run(Box<RunArgs>),
    /// Print the custom resource definitions as YAML.
    Crds,
}

/// Options of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// `nats://host:port` or `tls://host:port`, several separated by commas.
    #[arg(long, env = "NATS_URL", default_value = "nats://127.0.0.1:4222")]
    pub nats_url: String,
    /// File with the seed of the operator's nkey in account PLATFORM.
    #[arg(long, env = "FLEET_NATS_SEED_FILE")]
    pub nats_seed_file: PathBuf,
    /// PEM file with the certificate authority of NATS.
    #[arg(long, env = "FLEET_NATS_CA_FILE")]
    pub nats_ca_file: Option<PathBuf>,
    /// File with the key that signs manifests: 32 bytes in base64.
    #[arg(long, env = "FLEET_SIGNING_KEY_FILE")]
    pub signing_key_file: PathBuf,
    /// Public keys (base64, comma-separated) that devices shall trust from now on beside those they
    /// know: the first step of changing the signing key.
    #[arg(long, env = "FLEET_ANNOUNCED_KEYS", value_delimiter = ',')]
    pub announced_keys: Vec<TrustedKey>,
    /// Public keys (base64, comma-separated) that devices shall not trust any more, however they came
    /// to know them: the last step of changing the signing key.
    #[arg(long, env = "FLEET_RETIRED_KEYS", value_delimiter = ',')]
    pub retired_keys: Vec<TrustedKey>,
    /// Copies of each stream: 1, or 3 in a NATS cluster.
    #[arg(long, env = "FLEET_STREAM_REPLICAS", default_value_t = 1)]
    pub stream_replicas: usize,
    /// Address of /metrics, /healthz and /readyz; port 0 takes a free one, which is logged.
    #[arg(long, env = "FLEET_METRICS_ADDR", default_value = "0.0.0.0:8080")]
    pub metrics_addr: SocketAddr,
    /// Seconds between two heartbeats of a device.
    #[arg(long, env = "FLEET_HEARTBEAT_PERIOD", default_value_t = 30.0)]
    pub heartbeat_period: f64,
    /// Seconds without a heartbeat after which a device is stale. Default: two periods.
    #[arg(long, env = "FLEET_STALE_AFTER")]
    pub stale_after: Option<f64>,
    /// The labels that a device may claim which has no enrolment: any, or none. Where all devices
    /// enrol, `none` keeps one from claiming more after its enrolment was deleted.
    #[arg(long, env = "FLEET_UNENROLLED_LABELS", value_enum, default_value_t = UnenrolledLabels::Any)]
    pub unenrolled_labels: UnenrolledLabels,
    /// Namespace of the Lease. Default: in a pod the pod's own, else that of the kubeconfig's
    /// context, else `default`.
    #[arg(long, env = "FLEET_LEASE_NAMESPACE")]
    pub lease_namespace: Option<String>,
    /// Name of the Lease. The role must name the same.
    #[arg(long, env = "FLEET_LEASE_NAME", default_value = fleet_operator_core::rbac::DEFAULT_LEASE)]
    pub lease_name: String,
    /// Seconds after which a Lease that was not renewed may be taken. A leader renews it seven times in
    /// that time, and stops by itself when it could not for two thirds of it.
    #[arg(long, env = "FLEET_LEASE_DURATION", default_value_t = 7.0)]
    pub lease_duration: f64,
    /// Name of this replica, different from that of every other. Default: in a pod the pod's
    /// (HOSTNAME), else random.
    #[arg(long, env = "FLEET_IDENTITY")]
    pub identity: Option<String>,
    /// How log lines look.
    #[arg(long, env = "FLEET_LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// What a device may claim that has no enrolment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum UnenrolledLabels {
    /// Any label.
    Any,
    /// None but its id.
    None,
}

impl From<UnenrolledLabels> for Unenrolled {
    fn from(given: UnenrolledLabels) -> Self {
        match given {
            UnenrolledLabels::Any => Self::Any,
            UnenrolledLabels::None => Self::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: [&str; 4] = ["--nats-seed-file", "/n", "--signing-key-file", "/s"];

    fn parse(args: &[&str]) -> Cli {
        let program = std::iter::once("fleet-operator");
        let args = program.chain(args.iter().copied()).map(OsString::from);
        Cli::from_command_line(args)
    }

    #[test]
    fn run_is_meant_where_nothing_else_is_named() {
        let with_name = [&["run"][..], &FILES].concat();
        for args in [&FILES[..], &with_name] {
            let Command::Run(run) = parse(args).command else {
                panic!("run is meant by {args:?}");
            };
            assert_eq!(run.signing_key_file, PathBuf::from("/s"));
        }
        assert!(matches!(parse(&["crds"]).command, Command::Crds));
    }
}
