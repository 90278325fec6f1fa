//! `fleet kv`: looking into the buckets.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleet_contracts::id::InvalidName;
use fleet_contracts::kv::Bucket;

pub(super) const EXAMPLES: &str = "Examples:
  fleet kv ls
  fleet kv ls desired-state pi-7
  fleet kv get desired-state pi-7._manifest
  fleet kv watch device-state pi-7

The buckets are on the bus, not in Kubernetes: state the server and the seed of a user of the
PLATFORM account by flag, or by NATS_URL and NATS_SEED_FILE.";

/// `fleet kv`.
#[derive(Debug, Subcommand)]
pub enum KvCommand {
    /// List the buckets, or the keys of a bucket
    Ls(KvListArgs),
    /// Print one value
    Get(KvGetArgs),
    /// Print values as they are written, until interrupted
    Watch(KvListArgs),
}

/// Which server on the bus, and as whom.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Bus")]
pub struct BusFlags {
    /// URL of the NATS server
    #[arg(
        long,
        env = "NATS_URL",
        value_name = "URL",
        default_value = "nats://127.0.0.1:4222"
    )]
    pub nats_url: String,
    /// File with the nkey seed of a user of the PLATFORM account
    #[arg(long, env = "NATS_SEED_FILE", value_name = "FILE")]
    pub nats_seed_file: Option<PathBuf>,
    /// File with the certificate authority of the server, where it is not a public one
    #[arg(long, env = "NATS_CA_FILE", value_name = "FILE")]
    pub nats_ca_file: Option<PathBuf>,
}

/// `fleet kv ls` and `fleet kv watch`.
#[derive(Debug, Args)]
pub struct KvListArgs {
    /// desired-state, device-info, device-state or device-heartbeat
    pub bucket: Option<String>,
    /// Only keys that begin with these names, such as pi-7 or pi-7.shop; * stands for any one
    pub prefix: Option<String>,
    /// The server.
    #[command(flatten)]
    pub bus: BusFlags,
}

/// `fleet kv get`.
#[derive(Debug, Args)]
pub struct KvGetArgs {
    /// desired-state, device-info, device-state or device-heartbeat
    pub bucket: String,
    /// The key
    pub key: String,
    /// Print only the value, as it is stored
    #[arg(long)]
    pub raw: bool,
    /// The server.
    #[command(flatten)]
    pub bus: BusFlags,
}

impl KvListArgs {
    /// The bucket, if one was named.
    pub fn bucket(&self) -> Result<Option<Bucket>, InvalidName> {
        self.bucket.as_deref().map(str::parse).transpose()
    }
}
