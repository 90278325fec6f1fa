//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// A device for a minute: enrols with the platform, is given something to run, and leaves.
#[derive(Debug, Parser)]
#[command(name = "fleet-check", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Enrol a device, run and change a container on it, and remove all of it. Containers are in
    /// memory; everything else is real.
    RoundTrip(RoundTripArgs),
}

/// Options of `round-trip`. The cluster is that of KUBECONFIG, or the pod's own.
#[derive(Debug, Clone, Args)]
pub struct RoundTripArgs {
    /// The enrolment service, as devices reach it; of several separated by commas, the first.
    #[arg(long, env = "FLEET_ENROL_URL", value_delimiter = ',', required = true)]
    pub url: Vec<String>,
    /// PEM file with the certificates to trust there instead of the system's.
    #[arg(long, env = "FLEET_ENROL_CA_FILE")]
    pub ca_file: Option<PathBuf>,
    /// The bus, where it is to be reached at another address than devices are told.
    #[arg(long, env = "FLEET_NATS_URL")]
    pub nats_url: Option<String>,
    /// The namespace of the Deployment.
    #[arg(long, env = "FLEET_NAMESPACE", default_value = "default")]
    pub namespace: String,
    /// The namespace with the enrolment tokens.
    #[arg(
        long,
        env = "FLEET_TOKEN_NAMESPACE",
        default_value = fleet_auth_core::enrol::rbac::DEFAULT_NAMESPACE
    )]
    pub token_namespace: String,
    /// Seconds that all of it may take; removing what was made may take half a minute more.
    #[arg(long, env = "FLEET_CHECK_TIMEOUT", default_value_t = 120, value_parser = clap::value_parser!(u64).range(5..=3600))]
    pub timeout: u64,
    /// The program fleet-agent. Default: the one beside this program.
    #[arg(long, env = "FLEET_AGENT_PROGRAM")]
    pub agent: Option<PathBuf>,
    /// Also print what fleet-agent says, on standard error.
    #[arg(long, short)]
    pub verbose: bool,
}

impl RoundTripArgs {
    /// How long all of it may take.
    pub const fn limit(&self) -> Duration {
        Duration::from_secs(self.timeout)
    }

    /// The one URL.
    pub fn url(&self) -> &str {
        self.url.first().map_or("", String::as_str)
    }
}
