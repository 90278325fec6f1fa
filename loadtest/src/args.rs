//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::report::{Connections, Credentials, Parameters, Scenario};

/// A simulated fleet over the real platform.
#[derive(Debug, Parser)]
#[command(name = "fleet-loadtest", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start a platform, do something to it, and report. The last line of the output is JSON; Ctrl-C
    /// ends it early and still reports.
    Run(RunArgs),
    /// Say whether the newer of two reports, or of two folders of them, is worse by more than noise. With
    /// one folder, its newest commit is held against the one before that.
    Compare {
        /// Reports or folders: the older, the newer.
        #[arg(num_args = 1..=2, required = true)]
        paths: Vec<PathBuf>,
    },
    /// Write a page with plots of reports.
    Report {
        /// Reports, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// Where the page goes.
        #[arg(long, default_value = "docs/performance")]
        out: PathBuf,
    },
}

/// Options of `run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// What is done to the platform.
    #[arg(value_enum)]
    pub scenario: Scenario,
    /// How many devices there are.
    #[arg(long, default_value_t = 200)]
    pub devices: usize,
    /// How many Deployments there are.
    #[arg(long, default_value_t = 50)]
    pub deployments: usize,
    /// For how many seconds it is done.
    #[arg(long, default_value_t = 30)]
    pub seconds: u64,
    /// How devices are connected.
    #[arg(long, value_enum, default_value = "multiplexed")]
    pub connections: Connections,
    /// How devices log in.
    #[arg(long, value_enum, default_value = "static")]
    pub credentials: Credentials,
    /// What the fleet is drawn from: the same number gives the same fleet.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Reports of each device in a second.
    #[arg(long, default_value_t = 1.0, conflicts_with = "flat_out")]
    pub hertz: f64,
    /// Report as fast as the bus acknowledges instead; `churn` only.
    #[arg(long)]
    pub flat_out: bool,
    /// Have this device (`sim-000003`) keep its reports to itself: the checks must fail.
    #[arg(long, hide_short_help = true)]
    pub withhold: Option<String>,
    /// Where the report goes.
    #[arg(long, default_value = "target/loadtest")]
    pub out: PathBuf,
    /// Deployments created, changed or deleted in a second, in `many` and `mixed`.
    #[arg(long, default_value_t = 2.0)]
    pub changes: f64,
    /// Devices that change their labels in a second, in `labels` and `mixed`.
    #[arg(long, default_value_t = 10.0)]
    pub moves: f64,
}

impl RunArgs {
    /// What the report says was asked for.
    pub fn parameters(&self) -> Parameters {
        Parameters {
            scenario: self.scenario,
            devices: self.devices.max(1),
            deployments: self.deployments.max(1),
            seconds: self.seconds,
            connections: self.connections,
            credentials: self.credentials,
            seed: self.seed,
            hertz: (!self.flat_out).then_some(self.hertz),
            withheld: self.withhold.clone(),
            changes: matches!(self.scenario, Scenario::Many | Scenario::Mixed)
                .then_some(self.changes),
            moves: matches!(self.scenario, Scenario::Labels | Scenario::Mixed)
                .then_some(self.moves),
        }
    }
}
