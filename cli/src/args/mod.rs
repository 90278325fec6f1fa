//! The command line as types. What a flag's text may be is decided here, once, by parsing.

mod authentication;
mod backup;
mod doctor;
mod keys;
mod kv;
mod login;
mod trace;
mod values;
mod workload;

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

pub use authentication::AuthenticationConfigArgs;
pub use backup::{BackupArgs, RestoreArgs};
pub use doctor::{DEFAULT_NAMESPACE, DoctorArgs, ReportFormat};
pub use keys::{KeysCommand, KeysCreateArgs, NatsConfigArgs};
pub use kv::{BusFlags, KvCommand, KvGetArgs, KvListArgs};
pub use login::{LoginArgs, LogoutArgs, ProviderFlags, TokenArgs};
pub use trace::{OperatorPlace, TraceArgs, TraceFormat};
pub use values::{EnvVar, InvalidValue, PortFlag, parse_duration};
pub use workload::{SelectorFlags, WorkloadFlags};

pub use fleet_cluster::ClusterFlags;

use crate::resource::{KindName, NameArg, NameArgParser};

/// Run containers on a fleet of devices, through Kubernetes.
#[derive(Debug, Parser)]
#[command(
    name = "fleet",
    version,
    arg_required_else_help = true,
    after_help = "Also runs as `kubectl fleet` when kubectl-fleet is on PATH.\n\
                  Exit codes: 0 done, 1 failed or wrongly used (as kubectl)."
)]
pub struct Cli {
    /// Which cluster and namespace.
    #[command(flatten)]
    pub cluster: ClusterFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create, change or delete a Deployment
    Deploy(Box<DeployArgs>),
    /// List devices, deployments or enrolments
    #[command(after_help = GET_EXAMPLES)]
    Get(GetArgs),
    /// Show all that is known of one device, deployment or enrolment
    #[command(after_help = DESCRIBE_EXAMPLES)]
    Describe(DescribeArgs),
    /// Let devices join that asked to
    #[command(after_help = DECIDE_EXAMPLES)]
    Approve(DecideArgs),
    /// Refuse devices that asked to join, or take their access away
    Deny(DecideArgs),
    /// Show what a deployment would change on which devices, before it is applied
    Plan(Box<PlanArgs>),
    /// Show where a change of a deployment is on its way to a device, and what it waits for
    #[command(after_help = trace::EXAMPLES)]
    Trace(TraceArgs),
    /// Check a cluster before and after an installation, and say what is wrong and how to mend it
    #[command(after_help = doctor::EXAMPLES)]
    Doctor(DoctorArgs),
    /// Save what a new cluster needs to go on: resources, and the keys of the platform
    #[command(after_help = backup::BACKUP_EXAMPLES)]
    Backup(BackupArgs),
    /// Bring back what was saved
    #[command(after_help = backup::RESTORE_EXAMPLES)]
    Restore(RestoreArgs),
    /// Log in at the identity provider, for this cluster
    #[command(after_help = login::LOGIN_EXAMPLES)]
    Login(LoginArgs),
    /// Print the token of the login, as kubectl asks for it
    #[command(after_help = login::TOKEN_EXAMPLES)]
    Token(TokenArgs),
    /// Forget the login, and take it back at the provider
    Logout(LogoutArgs),
    /// Print the file by which an API server knows the people of an identity provider
    AuthenticationConfig(Box<AuthenticationConfigArgs>),
    /// Look into the buckets on the bus
    #[command(subcommand, after_help = kv::EXAMPLES)]
    Kv(KvCommand),
    /// Make the keys of a platform, and the configuration of a NATS server for them
    #[command(subcommand, after_help = keys::EXAMPLES)]
    Keys(KeysCommand),
    /// Print the completion script of a shell
    #[command(after_help = COMPLETION_EXAMPLES)]
    Completion(CompletionArgs),
    /// Print the version
    Version,
}

const DEPLOY_EXAMPLES: &str = "Examples:
  # Run it on every device with the label site=lab
  fleet deploy --name web --selector site=lab --image registry.example/team/web:1.27 --port 8080:80

  # The same on one device, and wait until it runs
  fleet deploy --name web --target-device pi-7 --image registry.example/team/web:1.27 --wait

  # Services written by hand
  fleet deploy --name shop --selector 'tier in (edge,core)' --file score.json

  # Only print what would be applied; kubectl takes it
  fleet deploy --name web --target-all --image registry.example/team/web:1.27 --print | kubectl apply -f -

  # Remove it from all devices
  fleet deploy --name web --delete";

const GET_EXAMPLES: &str = "Examples:
  fleet get devices
  fleet get devices -l site=lab -o wide
  fleet get deployments -A
  fleet get deployment web -o yaml
  fleet get enrolments
  fleet get devices -w";

const DECIDE_EXAMPLES: &str = "Examples:
  fleet get enrolments -o wide
  fleet approve 34aec70c47e3462fd74643044e89bbda6a602698
  fleet deny 34aec70c47e3462fd74643044e89bbda6a602698 --reason 'not ours'

Compare the fingerprint with what `fleet-agent enrol` prints on the device before approving it.";

const DESCRIBE_EXAMPLES: &str = "Examples:
  fleet describe device pi-7
  fleet describe deployment web -n shop
  fleet describe enrolment 34aec70c47e3462fd74643044e89bbda6a602698";

const PLAN_EXAMPLES: &str = "Examples:
  # What would this file change?
  fleet plan -f deployment.yaml

  # The same flags as deploy
  fleet plan --name web --selector site=lab --image registry.example/team/web:1.28 --port 8080:80

  # For scripts: exit code 0 nothing to change, 2 something to change, 1 failed
  fleet plan -f deployment.yaml --detailed-exitcode -o json";

const COMPLETION_EXAMPLES: &str = "Examples:
  source <(fleet completion bash)
  fleet completion zsh > \"${fpath[1]}/_fleet\"
  fleet completion fish > ~/.config/fish/completions/fleet.fish
  fleet completion powershell | Out-String | Invoke-Expression

kubectl completes `kubectl fleet` by a program called kubectl_complete-fleet on PATH:
  printf '#!/bin/sh\\nexec fleet __complete \"$@\"\\n' > ~/.local/bin/kubectl_complete-fleet
  chmod +x ~/.local/bin/kubectl_complete-fleet";

/// `fleet deploy`.
#[derive(Debug, Args)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
#[command(after_help = DEPLOY_EXAMPLES)]
pub struct DeployArgs {
    /// Name of the Deployment
    #[arg(long, required = true)]
    pub name: Option<String>,
    /// What to run and where.
    #[command(flatten)]
    pub workload: WorkloadFlags,
    /// Print the Deployment instead of applying it; nothing is sent to the cluster
    #[arg(long, conflicts_with_all = ["delete", "wait"])]
    pub print: bool,
    /// How to print it
    #[arg(
        short,
        long,
        value_name = "FORMAT",
        requires = "print",
        default_value = "yaml"
    )]
    pub output: DocumentFormat,
    /// Delete the Deployment; its containers stop on every device
    #[arg(long)]
    pub delete: bool,
    /// Show progress until every matched device runs it (or, with --delete, until it is gone)
    #[arg(long)]
    pub wait: bool,
    /// Give up waiting after this time, such as 90s, 5m or 1h
    #[arg(long, value_name = "TIME", default_value = "5m", value_parser = parse_duration)]
    pub timeout: Duration,
    /// Take over fields that another field manager set
    #[arg(long)]
    pub force_conflicts: bool,
}

/// `fleet get`.
#[derive(Debug, Args)]
pub struct GetArgs {
    /// devices (dev, fleetdev), deployments (dep, fleetdep) or enrolments (fleetenrol); also TYPE/NAME
    #[arg(value_name = "TYPE", value_parser = NameArgParser)]
    pub resource: NameArg,
    /// Only these
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Only those whose labels match, such as site=lab,tier!=test
    #[arg(short = 'l', long, value_name = "SELECTOR", conflicts_with = "names")]
    pub selector: Option<String>,
    /// Deployments of all namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// How to print them
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ListFormat,
    /// Leave out the table's header
    #[arg(long)]
    pub no_headers: bool,
    /// Print changes as they happen, until interrupted
    #[arg(short, long)]
    pub watch: bool,
}

/// `fleet approve` and `fleet deny`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// The enrolments, by name
    #[arg(value_name = "DEVICE_ENROLMENT", required = true)]
    pub names: Vec<String>,
    /// What the device's owner should know; it is shown on the device
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub reason: String,
}

/// `fleet describe`.
#[derive(Debug, Args)]
pub struct DescribeArgs {
    /// device, deployment or enrolment; also TYPE/NAME
    #[arg(value_name = "TYPE", value_parser = NameArgParser)]
    pub resource: NameArg,
    /// Its name
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
}

/// What a manifest says already.
const WORKLOAD: [&str; 7] = [
    "selectors",
    "target_device",
    "target_all",
    "image",
    "ports",
    "env",
    "file",
];

/// `fleet plan`.
#[derive(Debug, Args)]
#[command(after_help = PLAN_EXAMPLES)]
#[command(group = ArgGroup::new("subject").required(true).args(["filename", "name"]))]
pub struct PlanArgs {
    /// A Deployment as YAML or JSON; - for standard input
    #[arg(short = 'f', long, value_name = "FILE", conflicts_with_all = WORKLOAD)]
    pub filename: Option<PathBuf>,
    /// Name of the Deployment
    #[arg(long)]
    pub name: Option<String>,
    /// What to run and where.
    #[command(flatten)]
    pub workload: WorkloadFlags,
    /// How to print the plan
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: PlanFormat,
    /// Exit with 2 when something would change
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// `fleet completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    pub shell: Shell,
}

/// How a single document is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum DocumentFormat {
    /// As YAML that kubectl takes
    Yaml,
    /// As JSON
    Json,
}

/// How a list is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A line for each
    Table,
    /// A line for each, with more columns
    Wide,
    /// As JSON
    Json,
    /// As YAML
    Yaml,
    /// Only TYPE/NAME
    Name,
}

/// How a plan is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

impl GetArgs {
    /// The kind that is asked for.
    pub const fn kind(&self) -> KindName {
        self.resource.kind
    }

    /// All names asked for; empty means all objects.
    pub fn all_names(&self) -> Vec<&str> {
        self.resource
            .name
            .iter()
            .chain(&self.names)
            .map(String::as_str)
            .collect()
    }
}
