//! `fleet keys`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use fleet_contracts::DeviceId;

pub(super) const EXAMPLES: &str = "Examples:
  # Keys of a new platform, and of two devices
  fleet keys create ./keys --device pi-7 --device pi-8

  # What the chart asks for
  kubectl create secret generic fleet-operator-signing --from-file=manifest.key=keys/manifest.key
  kubectl create secret generic fleet-operator-nats --from-file=seed=keys/operator.nk

  # The configuration of a NATS server with these users
  fleet keys nats-config ./keys --listen 0.0.0.0:4222 --store-dir /data > nats.conf

What is there is kept, so a device can be added later. Files that end in .pub are no secrets.";

/// `fleet keys`.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Make the keys that are missing in a folder
    Create(KeysCreateArgs),
    /// Print the configuration of a NATS server for the keys in a folder
    NatsConfig(NatsConfigArgs),
}

/// `fleet keys create`.
#[derive(Debug, Args)]
pub struct KeysCreateArgs {
    /// Where the keys are, or shall be
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// A device that logs in with a key of its own; may be given several times
    #[arg(long = "device", value_name = "ID")]
    pub devices: Vec<DeviceId>,
}

/// `fleet keys nats-config`.
#[derive(Debug, Args)]
pub struct NatsConfigArgs {
    /// Where `fleet keys create` made them
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Address and port for clients
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "0.0.0.0:4222")]
    pub listen: String,
    /// Where the server keeps its streams
    #[arg(long, value_name = "DIR", default_value = "/data/jetstream")]
    pub store_dir: PathBuf,
}
