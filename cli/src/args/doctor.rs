//! `fleet doctor`.

use clap::{Args, ValueEnum};

pub(super) const EXAMPLES: &str = "Examples:
  # Before an installation: is the cluster fit for it?
  fleet doctor --before

  # After it: what is wrong, and how to mend it?
  fleet doctor -n fleet-system

  # For scripts
  fleet doctor -o json

It looks into the namespace of --namespace, else into the one with the operator, else into fleet-system.
It only reads, and shows no value of a Secret. Exit codes: 0 no errors, 1 errors, 2 wrongly used.";

/// Where the platform is, unless something says otherwise; as `fleet-auth secrets ensure` has it.
pub const DEFAULT_NAMESPACE: &str = "fleet-system";

/// `fleet doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The namespace of OpenBao, where it is not that of the platform
    #[arg(long, value_name = "NAMESPACE")]
    pub openbao_namespace: Option<String>,
    /// Check whether the platform can be installed; else seen from what is there
    #[arg(long, conflicts_with = "after")]
    pub before: bool,
    /// Check a platform that should be there; else seen from what is there
    #[arg(long)]
    pub after: bool,
    /// How to print what was found
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ReportFormat,
}

/// How a report is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Table,
    /// As JSON
    Json,
    /// As YAML
    Yaml,
}
