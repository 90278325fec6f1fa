use fleet_devices_core::architecture::UnknownArchitecture;
use fleet_devices_core::host::{Command, DistributionError, EnsureError, Output};

use super::transport::TransportError;

/// How much of what a command complained about is repeated.
const TOLD: usize = 600;

/// Why a host is not as it should be.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// There is no way to it, or no more.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// A command failed.
    #[error("`{command}` failed with status {status} on {host}: {told}")]
    Failed {
        /// The host.
        host: String,
        /// What was run.
        command: String,
        /// Its exit status.
        status: u32,
        /// What it complained about.
        told: String,
    },
    /// There is no room left.
    #[error(
        "no space left on {host} for {what}; make room (df -h; apt-get clean), then run again: {told}"
    )]
    NoSpace {
        /// The host.
        host: String,
        /// What was to be there.
        what: String,
        /// What the command said.
        told: String,
    },
    /// Whoever logged in may not become root.
    #[error(
        "{host} does not let this login become root: {told}; log in as root, allow sudo without a password, or give \
         the password (FLEET_SUDO_PASSWORD)"
    )]
    NoSudo {
        /// The host.
        host: String,
        /// What sudo said.
        told: String,
    },
    /// It cannot be said what to change.
    #[error("{host}: {source}")]
    Ensure {
        /// The host.
        host: String,
        /// Why.
        source: EnsureError,
    },
    /// Everything was done, and nothing was gained.
    #[error("{what} of {host} is still not as it should be: {}", .difference.join("; "))]
    StillDifferent {
        /// The host.
        host: String,
        /// What has to be there.
        what: String,
        /// What is different.
        difference: Vec<String>,
    },
    /// No device can be made of this system.
    #[error("{host}: {source}")]
    Distribution {
        /// The host.
        host: String,
        /// Why.
        source: DistributionError,
    },
    /// No device has this processor.
    #[error("{host}: {source}")]
    Architecture {
        /// The host.
        host: String,
        /// Why.
        source: UnknownArchitecture,
    },
}

impl HostError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Transport(error) => error.reason(),
            Self::Failed { .. } => "CommandFailed",
            Self::NoSpace { .. } => "NoSpace",
            Self::NoSudo { .. } => "NoSudo",
            Self::Ensure { source, .. } => source.reason(),
            Self::StillDifferent { .. } => "StillDifferent",
            Self::Distribution { source, .. } => source.reason(),
            Self::Architecture { .. } => "ArchitectureUnknown",
        }
    }

    /// Of a command that ended with a status that is no success.
    pub(super) fn failed(host: String, what: &str, command: &Command, output: &Output) -> Self {
        let told = String::from_utf8_lossy(&output.errors);
        let told = told.trim();
        let start = told.ceil_char_boundary(told.len().saturating_sub(TOLD));
        let told = told[start..].to_owned();
        if told.contains("No space left on device") {
            let what = what.to_owned();
            return Self::NoSpace { host, what, told };
        }
        Self::Failed {
            host,
            command: command.to_string(),
            status: output.status,
            told,
        }
    }
}
