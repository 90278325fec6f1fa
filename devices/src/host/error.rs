use fleet_devices_core::architecture::UnknownArchitecture;
use fleet_devices_core::host::{Command, DistributionError, Output, Unexpected};

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
    /// An answer was not understood.
    #[error("{host}: {source}")]
    Unexpected {
        /// The host.
        host: String,
        /// Which.
        source: Unexpected,
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
            Self::Unexpected { .. } => "UnexpectedAnswer",
            Self::StillDifferent { .. } => "StillDifferent",
            Self::Distribution { source, .. } => source.reason(),
            Self::Architecture { .. } => "ArchitectureUnknown",
        }
    }

    /// Of a command that ended with a status that is no success.
    pub(super) fn failed(host: String, what: &str, command: &Command, output: &Output) -> Self {
        let told = String::from_utf8_lossy(&output.errors);
        let told = told.trim();
        let start = told.len().saturating_sub(TOLD);
        let start = (start..=told.len()).find(|at| told.is_char_boundary(*at));
        let told = told.get(start.unwrap_or_default()..).unwrap_or_default();
        let told = told.to_owned();
        if told.contains("No space left on device") {
            let what = what.to_owned();
            return Self::NoSpace { host, what, told };
        }
        if is_sudo(&told) {
            return Self::NoSudo { host, told };
        }
        Self::Failed {
            host,
            command: command.to_string(),
            status: output.status,
            told,
        }
    }
}

/// sudo itself complains, and not what it was to run.
fn is_sudo(told: &str) -> bool {
    let mut lines = told.lines();
    lines.any(|line| line.starts_with("sudo:") || line.contains("is not in the sudoers file"))
        || told.contains("sudo: not found")
}
