//! What can go wrong.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;

use fleet_service::cluster::ConfigError;
use fleet_service::start::StartError as ServiceError;

use super::leaving::Remains;
use crate::agent::AgentError;

/// Why a check cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process is not as it has to be.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// No way to a cluster.
    #[error("cannot find the cluster")]
    Config(#[from] ConfigError),
    /// No folder to work in.
    #[error("cannot make a folder or socket below {path}, where a check writes: mount an emptyDir")]
    Folder {
        /// Where.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The agent's configuration was not written.
    #[error(transparent)]
    Agent(#[from] AgentError),
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum TripError {
    /// The API server did not do it.
    #[error("cannot {operation}")]
    Kube {
        /// What was tried.
        operation: &'static str,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The agent does not start.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The agent gave up.
    #[error("fleet-agent ended: {0}")]
    Ended(ExitStatus),
    /// The system does not say whether it runs.
    #[error("cannot tell whether fleet-agent runs")]
    Process(#[from] io::Error),
    /// No random bytes.
    #[error("the system has no random bytes")]
    Random,
    /// What is to be deployed cannot be expressed.
    #[error("cannot express the Deployment")]
    Score(#[from] serde_json::Error),
    /// Something does not go away.
    #[error("cannot remove {}", listed(.0))]
    Remains(Vec<Remains>),
    /// The time is over.
    #[error("the time is over")]
    Late,
    /// Somebody stopped it.
    #[error("stopped by a signal")]
    Stopped,
}

fn listed(remains: &[Remains]) -> String {
    let all: Vec<_> = remains.iter().map(ToString::to_string).collect();
    all.join("; ")
}

impl TripError {
    /// Whether trying again does not help: the API server understood, and refuses.
    pub(super) fn is_lasting(&self) -> bool {
        match self {
            Self::Kube { source, .. } => match &**source {
                kube::Error::Api(status) => {
                    (400..500).contains(&status.code) && ![409, 429].contains(&status.code)
                }
                _ => false,
            },
            _ => true,
        }
    }
}

/// What the API server did not do.
pub(super) fn kube(operation: &'static str) -> impl Fn(kube::Error) -> TripError {
    move |source| TripError::Kube {
        operation,
        source: Box::new(source),
    }
}
