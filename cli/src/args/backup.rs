//! `fleet backup` and `fleet restore`.

use std::path::PathBuf;

use clap::Args;

pub(super) const BACKUP_EXAMPLES: &str = "Examples:
  fleet backup ./2026-11-21
  fleet backup ./2026-11-21 -n fleet-system

It makes the folder, with two files: resources.json, and keys.json, which whoever reads is master of the
fleet. Keep them apart. Secrets are those of the namespace of --namespace, else of fleet-system.";

pub(super) const RESTORE_EXAMPLES: &str = "Examples:
  # On a new cluster, with the definitions there and before the platform is installed
  fleet restore ./2026-11-21/keys.json ./2026-11-21/resources.json

What is there already stays as it is, so that it may be run again.";

/// `fleet backup`.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// A folder that does not exist yet
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

/// `fleet restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Files that `fleet backup` wrote
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
}
