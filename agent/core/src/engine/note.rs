//! What is worth a line in the log.

use std::time::Duration;

use fleet_contracts::payload::{DeviceState, Phase};
use fleet_contracts::{DeploymentRef, DeviceReason, RefusalReason, Revision};

pub use super::stages::Stage;
use crate::ServiceKey;

/// A line, and what it is about.
#[derive(Debug, Clone)]
pub enum Note {
    /// The bus is there.
    Connected,
    /// The bus is gone; the device runs from the ledger.
    Disconnected,
    /// There is a ledger.
    FromLedger {
        /// Of its manifest.
        generation: u64,
        /// How many it holds.
        deployments: usize,
    },
    /// There is none yet.
    NoLedger,
    /// A manifest, a body or the ledger cannot be used; for the first time.
    Refused {
        /// Why.
        reason: RefusalReason,
        /// For people.
        message: String,
    },
    /// The bus holds no manifest for this device.
    NoManifest,
    /// The bus did not answer a sync.
    SyncFailed(String),
    /// There is a new manifest.
    Following {
        /// Its generation.
        generation: u64,
        /// How many it holds.
        deployments: usize,
    },
    /// It says nothing new, so the one before was lost.
    Rewritten,
    /// A deployment's state changed.
    State {
        /// The deployment.
        deployment: DeploymentRef,
        /// What it is now.
        state: DeviceState,
    },
    /// A deployment is gone from this device.
    Removed(DeploymentRef),
    /// A deployment is up after a change.
    Applied {
        /// The deployment.
        deployment: DeploymentRef,
        /// What runs.
        revision: Revision,
        /// The phase that it reached.
        phase: Phase,
        /// Where the time went.
        stage: Stage,
        /// From the beginning of the sync.
        total: Duration,
    },
    /// The bus did not store something.
    NotReported(String),
    /// A step failed.
    StepFailed {
        /// Of which service.
        service: ServiceKey,
        /// Why.
        reason: DeviceReason,
        /// For people.
        message: String,
    },
    /// podman cannot be asked.
    PodmanAway(String),
    /// It can again.
    PodmanBack,
}
