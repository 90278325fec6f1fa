//! The flags that say what to run and where; `deploy` and `plan` share them.

use std::path::PathBuf;

use clap::Args;
use fleet_contracts::DeviceId;
use fleet_contracts::score::ImageRef;

use super::values::{EnvVar, PortFlag};
use crate::selector::Terms;

/// What to run and where.
#[derive(Debug, Clone, Default, Args)]
pub struct WorkloadFlags {
    /// Where.
    #[command(flatten)]
    pub target: SelectorFlags,
    /// Image of the one service, with tag or digest
    #[arg(long, conflicts_with = "file", help_heading = "What")]
    pub image: Option<ImageRef>,
    /// Publish a port on the device; may be repeated
    #[arg(
        long = "port",
        value_name = "[IP:]HOST:CONTAINER[/udp]",
        conflicts_with = "file",
        help_heading = "What"
    )]
    pub ports: Vec<PortFlag>,
    /// Set an environment variable; may be repeated
    #[arg(
        long = "env",
        value_name = "KEY=VALUE",
        conflicts_with = "file",
        help_heading = "What"
    )]
    pub env: Vec<EnvVar>,
    /// File with the score as JSON, {"PodmanV0": {"services": [...]}}; - for standard input
    #[arg(long, value_name = "SCORE", help_heading = "What")]
    pub file: Option<PathBuf>,
}

/// Which devices.
#[derive(Debug, Clone, Default, Args)]
pub struct SelectorFlags {
    /// Devices with this label; may be repeated, and all must hold. Also the forms of kubectl:
    /// key!=value, 'key in (a,b)', 'key notin (a,b)', key, '!key'
    #[arg(
        long = "selector",
        short = 'l',
        value_name = "KEY=VALUE",
        help_heading = "Where"
    )]
    pub selectors: Vec<Terms>,
    /// This device only
    #[arg(long, value_name = "ID", help_heading = "Where")]
    pub target_device: Option<DeviceId>,
    /// Every device of the fleet
    #[arg(long, conflicts_with_all = ["selectors", "target_device"], help_heading = "Where")]
    pub target_all: bool,
}
