use std::path::{Path, PathBuf};

use fleet_devices_core::VmArchitecture;
use fleet_devices_core::host::Content;
use fleet_devices_core::program::{ProgramError, built_for};

/// The agent, as a program for one processor.
#[derive(Debug, Clone)]
pub struct AgentProgram {
    /// Where it was found.
    pub path: PathBuf,
    /// For which.
    pub architecture: VmArchitecture,
    /// The program.
    pub content: Content,
}

/// Why there is no agent for a host.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// It cannot be read.
    #[error("cannot read the agent {path}")]
    Read {
        /// Where it should be.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It is no program of a device.
    #[error("{path} is no agent: {source}")]
    Program {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ProgramError,
    },
    /// None of those given is for this processor.
    #[error(
        "{host} is {architecture}, and no agent for that was given (there is one for {given}); give it with \
         --agent, once for each processor"
    )]
    Architecture {
        /// The host.
        host: String,
        /// Its processor.
        architecture: VmArchitecture,
        /// What there is.
        given: String,
    },
    /// The host is not what was said of it.
    #[error(
        "{host} is {architecture}, and was said to be {expected}; correct `arch`, or the address"
    )]
    Unexpected {
        /// The host.
        host: String,
        /// Its processor.
        architecture: VmArchitecture,
        /// What was said.
        expected: VmArchitecture,
    },
}

impl AgentError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Read { .. } => "AgentUnreadable",
            Self::Program { .. } => "AgentInvalid",
            Self::Architecture { .. } => "ArchitectureMismatch",
            Self::Unexpected { .. } => "ArchitectureUnexpected",
        }
    }
}

impl AgentProgram {
    /// Reads one.
    ///
    /// # Errors
    /// When it is not there, or no program of a device.
    pub fn read(path: &Path) -> Result<Self, AgentError> {
        let path = path.to_owned();
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(source) => return Err(AgentError::Read { path, source }),
        };
        match built_for(&bytes) {
            Ok(architecture) => Ok(Self {
                path,
                architecture,
                content: Content::new(bytes),
            }),
            Err(source) => Err(AgentError::Program { path, source }),
        }
    }

    /// Whether a host has the processor that was said of it, if one was.
    ///
    /// # Errors
    /// When it has another.
    pub fn fits(
        host: &str,
        architecture: VmArchitecture,
        expected: Option<VmArchitecture>,
    ) -> Result<(), AgentError> {
        match expected.filter(|expected| *expected != architecture) {
            None => Ok(()),
            Some(expected) => Err(AgentError::Unexpected {
                host: host.to_owned(),
                architecture,
                expected,
            }),
        }
    }

    /// The one of these that is for a host.
    ///
    /// # Errors
    /// When none is.
    pub fn for_host<'a>(
        given: &'a [Self],
        host: &str,
        architecture: VmArchitecture,
    ) -> Result<&'a Self, AgentError> {
        let found = given.iter().find(|a| a.architecture == architecture);
        found.ok_or_else(|| AgentError::Architecture {
            host: host.to_owned(),
            architecture,
            given: match given {
                [] => "none".to_owned(),
                given => {
                    let names = given.iter().map(|agent| agent.architecture.uname());
                    names.collect::<Vec<_>>().join(", ")
                }
            },
        })
    }
}
