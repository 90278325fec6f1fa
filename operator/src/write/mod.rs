//! Drains the queues: asks for the current document of a dirty key and writes it.
//!
//! | module | writes |
//! |---|---|
//! | `desired` | entries and signed manifest of a device |
//! | `deployment_status` | status and Events of a Deployment |
//! | `device_object` | a `Device` object from what the device says |
//! | `device_status` | status of a Device |
//! | `finalizer` | our finalizer: on at first sight, off when no key is left |
//! | `forget` | deletes what the bus holds of a forgotten device, and reports nobody asks for |

mod deployment_status;
mod desired;
mod device_object;
mod device_status;
mod drain;
mod events;
mod finalizer;
mod forget;

use std::sync::Arc;
use std::time::Duration;

use fleet_bus::{Bus, StoreError, WriteError};
use fleet_operator_core::mirror::PlanError;
use tokio_util::task::TaskTracker;

use crate::refusal;
use crate::state::Shared;
use drain::drain;
use events::Events;

/// Our field manager in server-side apply, and the reporter of Events.
pub const MANAGER: &str = "fleet-operator";

/// The longest an API server may take to answer.
const API_TIMEOUT: Duration = Duration::from_secs(15);

/// Why something could not be written; it is tried again.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The API server did not answer in time.
    #[error("the API server did not answer in time")]
    ApiTimeout,
    /// The API server refused, or cannot be reached.
    #[error("the API server refused or cannot be reached")]
    Api(#[from] kube::Error),
    /// A key could not be written.
    #[error("the bus did not take a key")]
    Write(#[from] WriteError),
    /// Keys could not be purged.
    #[error("the bus did not purge keys")]
    Store(#[from] StoreError),
    /// The device has too many Deployments.
    #[error("the desired state cannot be written")]
    Plan(#[from] PlanError),
    /// An object could not be encoded; a defect of ours.
    #[error("failed to encode an object")]
    Encode(#[from] serde_json::Error),
}

impl Failure {
    /// The stable reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::ApiTimeout => "ApiTimeout",
            Self::Api(error) => refusal::reason(error),
            Self::Write(WriteError::Conflict { .. }) => "Conflict",
            Self::Write(WriteError::Server { .. }) | Self::Store(_) => "BusUnreachable",
            Self::Plan(error) => error.reason().as_str(),
            Self::Encode(_) => "Encode",
        }
    }
}

/// What came of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// Something was written.
    Written,
    /// There was nothing to write.
    Unchanged,
}

/// What writers need.
#[derive(Clone)]
pub struct Writers {
    shared: Arc<Shared>,
    bus: Bus,
    client: kube::Client,
    events: Arc<Events>,
}

impl std::fmt::Debug for Writers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Writers").finish_non_exhaustive()
    }
}

impl Writers {
    /// Writers over these connections.
    pub fn new(shared: Arc<Shared>, bus: Bus, client: kube::Client, identity: &str) -> Self {
        Self {
            shared,
            bus,
            events: Arc::new(Events::new(client.clone(), identity)),
            client,
        }
    }

    /// Starts a task for each kind of write; they run until they are aborted.
    pub fn spawn(&self, tasks: &TaskTracker, watch: impl Fn(&'static str, Spawned)) {
        macro_rules! writer {
            ($kind:ident, $at_once:expr, $method:ident) => {{
                let writers = self.clone();
                let task = tasks.spawn(async move {
                    let shared = Arc::clone(&writers.shared);
                    let write = |key| {
                        let writers = writers.clone();
                        async move { writers.$method(&key).await }
                    };
                    let of = (stringify!($kind), $at_once);
                    let bell = Arc::clone(&shared.bells.$kind);
                    drain(&shared, (|queues| &mut queues.$kind, &bell), of, write).await;
                });
                watch(stringify!($kind), task);
            }};
        }
        // How many keys of a kind are written at once. The bus pipelines; an API server of its own
        // priority level serves some tens of requests of one client at a time.
        writer!(desired, 64, write_desired);
        writer!(statuses, 16, write_deployment_status);
        writer!(finalizers, 8, write_finalizer);
        writer!(device_objects, 16, write_device_object);
        writer!(device_statuses, 16, write_device_status);
        writer!(forgotten, 8, forget_device);
        writer!(reports, 8, forget_report);
    }
}

/// A running task.
pub type Spawned = tokio::task::JoinHandle<()>;

/// Awaits an answer of the API server, but not for ever.
async fn api<T>(call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, Failure> {
    match tokio::time::timeout(API_TIMEOUT, call).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(Failure::ApiTimeout),
    }
}

/// Whether the object is not there (any more).
fn is_missing(failure: &Failure) -> bool {
    matches!(failure, Failure::Api(kube::Error::Api(status)) if status.code == 404)
}
