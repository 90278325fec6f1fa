//! The subjects a device uses, in the account that devices live in.
//!
//! Devices never see the buckets' own subjects: the account's mapped imports lead from these to
//! there (`fleet-bus` renders them), so nothing a device sends can land under another device's key.

use crate::id::{DeploymentRef, DeviceId};
use crate::kv::DesiredKey;

/// Prefix of direct gets on `desired-state`.
pub const GET_DESIRED: &str = "get.desired";
/// Prefix of writes to `device-info`.
pub const UP_INFO: &str = "up.info";
/// Prefix of writes to `device-state`.
pub const UP_STATE: &str = "up.state";
/// Prefix of writes to `device-heartbeat`.
pub const UP_HEARTBEAT: &str = "up.heartbeat";
/// Prefix of the doorbell as devices hear it.
pub const DOWN_DESIRED: &str = "down.desired";
/// Prefix of the doorbell in the platform's account: where the stream republishes manifest keys.
pub const DOORBELL: &str = "fleet.desired";

/// Request it to get the current value of a key of this device.
pub fn get_desired(key: &DesiredKey) -> String {
    format!("{GET_DESIRED}.{key}")
}

/// Request it to learn whether the bus answers this device: no key can have this name, so the
/// answer is a short one.
pub fn get_nothing(device: &DeviceId) -> String {
    format!("{GET_DESIRED}.{device}._nothing")
}

/// Request it with a value to store this device's `DeviceInfo`.
pub fn up_info(device: &DeviceId) -> String {
    format!("{UP_INFO}.{device}")
}

/// Request it with a value to store what became of a deployment on this device.
pub fn up_state(device: &DeviceId, deployment: &DeploymentRef) -> String {
    format!("{UP_STATE}.{device}.{deployment}")
}

/// Publish a sign of life here.
pub fn up_heartbeat(device: &DeviceId) -> String {
    format!("{UP_HEARTBEAT}.{device}")
}

/// Subscribe here to hear that this device's manifest changed. The message is
/// the manifest with its headers, as the stream holds it.
pub fn down_desired(device: &DeviceId) -> String {
    format!("{DOWN_DESIRED}.{device}")
}

/// The only inbox a device may listen on.
pub fn inbox_prefix(device: &DeviceId) -> String {
    format!("_INBOX_{device}")
}
