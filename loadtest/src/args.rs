//! The command line.

use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser as _};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};

use crate::report::{CHANGES, Connections, Credentials, HERTZ, Kill, MOVES, Parameters, Scenario};

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
    /// Draw a flame graph of what `perf script` prints, read from standard input.
    Flame {
        /// Of what it is: program, scenario, commit.
        #[arg(long)]
        title: String,
        /// Where it goes, as SVG.
        #[arg(long)]
        out: PathBuf,
    },
    /// Write what fleets of other sizes would cost, by what these reports measured, into the tables of a
    /// page.
    Capacity {
        /// Reports, or folders of them.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// The page.
        #[arg(long, default_value = "docs/performance/capacity.md")]
        page: PathBuf,
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
    /// How devices are connected. Default: multiplexed; each, where they log in through the callout.
    #[arg(long, value_enum)]
    pub connections: Option<Connections>,
    /// How devices log in. The callout gives a connection the rights of one device, so it needs a
    /// connection for each.
    #[arg(long, value_enum, default_value = "static")]
    pub credentials: Credentials,
    /// What the fleet is drawn from: the same number gives the same fleet.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Reports of each device in a second.
    #[arg(long, default_value_t = HERTZ, conflicts_with = "flat_out")]
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
    #[arg(long, default_value_t = CHANGES)]
    pub changes: f64,
    /// Devices that change their labels in a second, in `labels` and `mixed`.
    #[arg(long, default_value_t = MOVES)]
    pub moves: f64,
    /// How many servers the bus has, and copies each of its streams.
    #[arg(long, default_value = "1", value_parser = number_of(["1", "3"]))]
    pub nats: usize,
    /// How many operators there are. Default: 1, and 2 for a failover.
    #[arg(long, value_parser = number_of(["1", "2"]))]
    pub operators: Option<usize>,
    /// Whom a failover takes the lead from, in turn. Default: operator, and nats too where it has three
    /// servers.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub kill: Vec<Kill>,
}

/// One of these numbers.
fn number_of<const N: usize>(
    names: [&'static str; N],
) -> impl clap::builder::TypedValueParser<Value = usize> {
    PossibleValuesParser::new(names).try_map(|name| name.parse::<usize>())
}

impl RunArgs {
    /// What the report says was asked for.
    ///
    /// # Errors
    /// When what was asked for cannot be had together.
    pub fn parameters(&self) -> Result<Parameters, clap::Error> {
        let is_failover = self.scenario == Scenario::Failover;
        let parameters = Parameters {
            scenario: self.scenario,
            devices: self.devices.max(1),
            deployments: self.deployments.max(1),
            seconds: self.seconds,
            connections: self.connections.unwrap_or(match self.credentials {
                Credentials::Static => Connections::Multiplexed,
                Credentials::Callout => Connections::Each,
            }),
            credentials: self.credentials,
            seed: self.seed,
            hertz: (!self.flat_out).then_some(self.hertz),
            withheld: self.withhold.clone(),
            changes: matches!(self.scenario, Scenario::Many | Scenario::Mixed)
                .then_some(self.changes),
            moves: matches!(self.scenario, Scenario::Labels | Scenario::Mixed)
                .then_some(self.moves),
            nats: self.nats,
            operators: self.operators.unwrap_or(1 + usize::from(is_failover)),
            kill: self.killed(),
        };
        match contradiction(&parameters) {
            None => Ok(parameters),
            Some(text) => Err(Cli::command().error(ErrorKind::ArgumentConflict, text)),
        }
    }

    fn killed(&self) -> Vec<Kill> {
        if self.scenario == Scenario::Failover && self.kill.is_empty() {
            let both = [Kill::Operator, Kill::Nats];
            return both[..if self.nats > 1 { 2 } else { 1 }].to_vec();
        }
        self.kill.clone()
    }
}

/// Why these cannot be had together.
fn contradiction(asked: &Parameters) -> Option<&'static str> {
    let (multiplexed, callout) = (Connections::Multiplexed, Credentials::Callout);
    if asked.credentials == callout && asked.connections == multiplexed {
        return Some(
            "--credentials callout needs --connections each: the auth callout gives a connection the \
             rights of one device, so none can speak for many",
        );
    }
    if asked.scenario != Scenario::Failover {
        return (!asked.kill.is_empty()).then_some("--kill is for failover only");
    }
    if asked.kill.contains(&Kill::Operator) && asked.operators < 2 {
        return Some("failover needs --operators 2: with one there is nobody to take over");
    }
    if asked.kill.contains(&Kill::Nats) && asked.nats < 3 {
        return Some("--kill nats needs --nats 3: without the others there is no bus");
    }
    if asked.hertz.is_none() {
        return Some("failover needs a rate of reports: --flat-out is for churn");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(args: &[&str]) -> Result<Parameters, clap::Error> {
        let all = ["fleet-loadtest", "run"].iter().chain(args);
        match Cli::try_parse_from(all)?.command {
            Command::Run(run) => run.parameters(),
            other => unreachable!("{other:?}"),
        }
    }

    fn refused(args: &[&str], because: &str) {
        let error = parsed(args).expect_err("it is refused");
        assert_eq!(error.kind(), ErrorKind::ArgumentConflict, "{error}");
        assert!(error.to_string().contains(because), "{error}");
    }

    #[test]
    fn what_is_not_said_follows_from_what_is() {
        let plain = parsed(&["churn"]).expect("taken");
        assert_eq!((plain.nats, plain.operators), (1, 1));
        assert_eq!(plain.connections, Connections::Multiplexed);
        let callout = parsed(&["storm", "--credentials", "callout"]).expect("taken");
        assert_eq!(callout.connections, Connections::Each);
        let failover = parsed(&["failover"]).expect("taken");
        assert_eq!(
            (failover.operators, failover.kill),
            (2, vec![Kill::Operator])
        );
        let three = parsed(&["failover", "--nats", "3"]).expect("taken");
        assert_eq!(three.kill, [Kill::Operator, Kill::Nats]);
    }

    #[test]
    fn what_cannot_be_had_together_is_refused_in_words() {
        let shared = ["--credentials", "callout", "--connections", "multiplexed"];
        refused(&[&["storm"][..], &shared].concat(), "rights of one device");
        refused(&["failover", "--operators", "1"], "nobody to take over");
        refused(&["failover", "--kill", "nats"], "needs --nats 3");
        refused(&["churn", "--kill", "operator"], "for failover only");
        let two = parsed(&["churn", "--nats", "2"]).expect_err("no such cluster");
        assert_eq!(two.kind(), ErrorKind::InvalidValue);
    }
}
