use serde::{Deserialize, Serialize};

use crate::id::{DeviceId, ServiceName};
use crate::manifest::Generation;
use crate::reason::{DeviceReason, RefusalReason};
use crate::revision::Revision;
use crate::time::UnixMillis;

/// How far a deployment has come on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Images are being fetched, or it waits for its turn.
    Pending,
    /// Containers are being created or started, or are not healthy yet.
    Starting,
    /// All services run, and those with a healthcheck are healthy.
    Running,
    /// All services ended with code 0 and their restart policy leaves them so.
    Completed,
    /// At least one service failed; `reason` says how.
    Failed,
    /// A phase of a newer version; counts as pending.
    #[serde(other)]
    Unknown,
}

/// What became of one deployment on one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceState {
    /// [`super::SCHEMA_VERSION`] of whoever wrote it.
    pub schema_version: u32,
    /// The revision this is about.
    pub revision: Revision,
    /// How far it has come.
    pub phase: Phase,
    /// Set when the phase is `Failed`, and while a retry is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<DeviceReason>,
    /// For people: what failed, on what, what to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// When the phase was reached, by the device's clock.
    pub at: UnixMillis,
    /// Each service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub services: Vec<ServiceState>,
}

/// What became of one service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceState {
    /// The service.
    pub name: ServiceName,
    /// Its phase.
    pub phase: ServicePhase,
    /// How often its container was restarted since it was created.
    #[serde(default)]
    pub restarts: u32,
    /// The container's id, shortened to 12 digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<String>,
    /// The exit code of the last run that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i32>,
}

/// The phase of a service: as [`Phase`], for one container.
pub type ServicePhase = Phase;

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Heartbeat {
    /// [`super::SCHEMA_VERSION`] of whoever wrote it.
    pub schema_version: u32,
    /// The device; must be the key it lies under.
    pub device: DeviceId,
    /// When it was sent, by the device's clock.
    pub at: UnixMillis,
    /// The manifest the device follows.
    #[serde(default)]
    pub generation: Generation,
    /// The last manifest or ledger it refused, until one was taken again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

/// What a device refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// Why.
    pub reason: RefusalReason,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// When, by the device's clock.
    pub at: UnixMillis,
}
