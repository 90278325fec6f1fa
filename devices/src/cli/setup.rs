use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::ValueEnum;
use fleet_cluster::ClusterError;
use fleet_contracts::DeviceId;
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::fleet::FleetFileError;

use super::fleet::{Files, Said, job, jobs};
use super::login::LoginArgs;
use super::view::View;
use super::wait::WaitArgs;
use crate::host::Target;
use crate::setup::{AgentError, Job, Limits, Outcomes, ReachableError, SetupError, run_all};

/// What makes devices of hosts.
#[derive(Debug, clap::Args)]
pub struct SetupArgs {
    /// The host: user@address, user@address:port; `local` is this machine
    #[arg(
        long,
        value_name = "USER@ADDRESS[:PORT]",
        required_unless_present = "fleet"
    )]
    pub host: Option<Target>,

    /// Many hosts, in a fleet file: what all have in common, and what each has of its own
    #[arg(long, value_name = "FILE", conflicts_with_all = ["host", "agents", "config", "enrol_url", "device_id", "labels", "arch"])]
    pub fleet: Option<PathBuf>,

    /// How many hosts of a fleet file at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub parallel: u16,

    /// The agent, built for the host's processor; once for each processor there is
    #[arg(long = "agent", value_name = "FILE", required_unless_present = "fleet")]
    pub agents: Vec<PathBuf>,

    /// Which processor the host has to have: `x86_64`, `aarch64`, or `auto`, any for which there is an agent
    #[arg(long, value_name = "ARCH", default_value = "auto")]
    pub arch: Arch,

    /// The agent's configuration; without it one with the labels alone, for the enrolment says what else an agent
    /// needs
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The enrolment service, https://
    #[arg(long, value_name = "URL")]
    pub enrol_url: Option<String>,

    /// What allows the device to ask, in a file; not needed where it has asked already
    #[arg(long, value_name = "FILE", requires = "enrol_url")]
    pub enrol_token_file: Option<PathBuf>,

    /// Certificates of the enrolment service to trust instead of the system's
    #[arg(long, value_name = "FILE", requires = "enrol_url")]
    pub enrol_ca_file: Option<PathBuf>,

    /// Who to be; without it the fleet decides
    #[arg(long, value_name = "ID", requires = "enrol_url")]
    pub device_id: Option<DeviceId>,

    /// A label to carry; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", requires = "enrol_url", value_parser = label)]
    pub labels: Vec<(String, String)>,

    /// How to log in.
    #[command(flatten)]
    pub login: LoginArgs,

    /// Only look, and say what would be changed
    #[arg(long)]
    pub plan: bool,

    /// What to print on standard output
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub output: Format,

    /// How long to wait, and for what.
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// What is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One document, when all is done; what happens meanwhile goes to standard error.
    Json,
}

/// A processor, or any.
#[derive(Debug, Clone, Copy)]
pub struct Arch(Option<VmArchitecture>);

impl std::str::FromStr for Arch {
    type Err = fleet_devices_core::architecture::UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self(None)),
            text => text.parse().map(|architecture| Self(Some(architecture))),
        }
    }
}

fn label(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or("must be KEY=VALUE")?;
    Ok((key.to_owned(), value.to_owned()))
}

/// Why hosts were not set up, or removed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A file that was named cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It has no configuration to run with.
    #[error(
        "give --enrol-url and --enrol-token-file, or the agent's whole configuration by --config"
    )]
    NoConfiguration,
    /// The fleet file cannot be used.
    #[error("cannot use the fleet file {path}")]
    Fleet {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FleetFileError,
    },
    /// The cluster that was named cannot be asked.
    #[error("cannot ask the cluster whether the device is Reachable; --no-wait does without")]
    Cluster(#[from] ClusterError),
    /// The cluster in which the Device is cannot be asked.
    #[error("cannot delete the Device; without --delete-device it stays")]
    Device(#[source] ClusterError),
    /// The host is not as it should be.
    #[error(transparent)]
    Setup(Box<SetupError>),
    /// The fleet still has the device.
    #[error(transparent)]
    Reachable(#[from] ReachableError),
    /// Some did not become what they should. What each said has been told.
    #[error("{failed} of {all} hosts failed; run it again: it goes on where each of them is")]
    Hosts {
        /// How many.
        failed: usize,
        /// Of how many.
        all: usize,
    },
    /// The one did not. The reason is the host's.
    #[error("{message}")]
    Host {
        /// The stable reason.
        reason: String,
        /// What failed.
        message: String,
    },
}

impl Failure {
    pub(super) fn reason(&self) -> &str {
        match self {
            Self::Read { .. } => "Unreadable",
            Self::NoConfiguration => "NoConfiguration",
            Self::Fleet { source, .. } => source.reason(),
            Self::Cluster(_) | Self::Device(_) => "Cluster",
            Self::Setup(error) => error.reason(),
            Self::Reachable(error) => error.reason(),
            Self::Hosts { .. } => "HostsFailed",
            Self::Host { reason, .. } => reason,
        }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        Self::Setup(Box::new(error))
    }
}

impl From<AgentError> for Failure {
    fn from(error: AgentError) -> Self {
        SetupError::from(error).into()
    }
}

pub(super) async fn run(args: &SetupArgs, plan: bool) -> Result<(), Failure> {
    let jobs = match &args.fleet {
        Some(path) => jobs(path, args)?,
        None => vec![single(args)?],
    };
    let limits = Limits {
        parallel: args.parallel.into(),
        plan,
        login: args.login.settings(),
        check: args.wait.check(plan).await?,
    };
    let names: Vec<_> = jobs.iter().map(|job| job.target.to_string()).collect();
    let view = View::new(&names, args.fleet.is_some(), args.output, plan);
    let outcomes = run_all(&jobs, &limits, &|number, event| view.show(number, &event)).await;
    view.end(&outcomes);
    ended(outcomes, args.fleet.is_some())
}

fn single(args: &SetupArgs) -> Result<Job, Failure> {
    if args.config.is_none() && args.enrol_url.is_none() {
        return Err(Failure::NoConfiguration);
    }
    let labels: BTreeMap<_, _> = args.labels.iter().cloned().collect();
    let said = Said {
        // clap asks for one.
        target: args.host.clone().ok_or(Failure::NoConfiguration)?,
        agents: &args.agents,
        architecture: args.arch.0,
        config: args.config.as_deref(),
        enrol_url: args.enrol_url.as_deref(),
        ca_file: args.enrol_ca_file.as_deref(),
        token_file: args.enrol_token_file.as_deref(),
        device_id: args.device_id.as_ref(),
        labels: &labels,
    };
    job(&said, args, &mut Files::default())
}

fn ended(outcomes: Outcomes, fleet: bool) -> Result<(), Failure> {
    let (failed, all) = (outcomes.failed(), outcomes.hosts.len());
    let first = outcomes.hosts.into_iter().find_map(|host| host.error);
    match first {
        None => Ok(()),
        Some(_) if fleet => Err(Failure::Hosts { failed, all }),
        Some(error) => Err(Failure::Host {
            reason: error.reason,
            message: error.message,
        }),
    }
}
