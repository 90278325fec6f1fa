//! What can go wrong in a run.

use std::path::PathBuf;
use std::time::Duration;

/// Why a run or a comparison came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The servers did not start.
    #[error(transparent)]
    Testbed(#[from] fleet_testbed::Error),
    /// A process of the testbed failed.
    #[error(transparent)]
    Process(#[from] fleet_testbed::ProcessError),
    /// The bus of the testbed failed.
    #[error(transparent)]
    Nats(#[from] fleet_testbed::NatsError),
    /// The API server refused something.
    #[error("the API server refused to {operation}")]
    Kube {
        /// What was asked.
        operation: &'static str,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// The bus refused something, or is away.
    #[error("failed to {operation} on the bus")]
    Bus {
        /// What was tried.
        operation: &'static str,
        /// What came of it.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the simulator makes itself breaks the rules of the platform.
    #[error("the simulated fleet is invalid: {0}")]
    Fleet(String),
    /// A key could not be made.
    #[error("failed to make an nkey")]
    Key(#[source] nkeys::error::Error),
    /// Something did not happen in time.
    #[error("waited {} s in vain until {what}", .limit.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// A file cannot be read or written.
    #[error("failed to read or write {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file is no report that this version can read.
    #[error("{path} is no report of a load test")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
    /// A report of another form.
    #[error("{path} has schema version {found}; this program reads {known}")]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: u32,
        /// What is read.
        known: u32,
    },
    /// There is nothing to compare or to draw.
    #[error("{0}")]
    Nothing(String),
    /// A part of the simulator ended before its time.
    #[error("a part of the simulator failed")]
    Task(#[from] tokio::task::JoinError),
}

impl Error {
    /// For `map_err` on requests to the API server.
    pub fn kube(operation: &'static str) -> impl FnOnce(kube::Error) -> Self {
        move |source| Self::Kube {
            operation,
            source: Box::new(source),
        }
    }

    /// For `map_err` on the bus.
    pub fn bus<E>(operation: &'static str) -> impl FnOnce(E) -> Self
    where
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        move |source| Self::Bus {
            operation,
            source: source.into(),
        }
    }

    /// For `map_err` on files.
    pub fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}
