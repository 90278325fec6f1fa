//! What can go wrong in a scenario.

use std::time::Duration;

/// What went wrong, and where to look.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A part of the testbed failed.
    #[error(transparent)]
    Testbed(#[from] fleet_testbed::Error),
    /// A device of the testbed failed.
    #[error(transparent)]
    Device(#[from] fleet_testbed::DeviceError),
    /// A process of the testbed failed.
    #[error(transparent)]
    Process(#[from] fleet_testbed::ProcessError),
    /// The bus of the testbed failed.
    #[error(transparent)]
    Nats(#[from] fleet_testbed::NatsError),
    /// A bucket could not be read.
    #[error(transparent)]
    Store(#[from] fleet_bus::StoreError),
    /// The node of the testbed failed.
    #[error(transparent)]
    Node(#[from] fleet_testbed::NodeError),
    /// It is not known what a process takes.
    #[error(transparent)]
    Usage(#[from] fleet_bench_kit::UsageError),
    /// The CRDs could not be built.
    #[error(transparent)]
    Crds(#[from] fleet_api::CrdError),
    /// The charts could not be made.
    #[error(transparent)]
    Charts(#[from] fleet_chartgen::ChartsError),
    /// The API server refused a request.
    #[error("the API server refused to {operation}")]
    Kube {
        /// What was asked.
        operation: String,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Something did not happen in time.
    #[error("waited {} s in vain for this: {what}", .limit.as_secs())]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        limit: Duration,
    },
    /// A command on a device, or a file, did not do what it should.
    #[error("{0}")]
    Unexpected(String),
}

impl Error {
    /// For `map_err` on requests to the API server.
    pub fn kube(operation: impl Into<String>) -> impl FnOnce(kube::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Kube {
            operation,
            source: Box::new(source),
        }
    }
}
