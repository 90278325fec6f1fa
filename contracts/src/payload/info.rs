use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::id::DeviceId;
use crate::time::UnixMillis;

/// What a device is; written at start-up and when it changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceInfo {
    /// [`super::SCHEMA_VERSION`] of whoever wrote it.
    pub schema_version: u32,
    /// The device; must be the key it lies under.
    pub device: DeviceId,
    /// The labels of its configuration. Not checked here: the operator drops what Kubernetes
    /// would refuse and says so on the Device.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// What the machine is made of.
    #[serde(default)]
    pub inventory: Inventory,
    /// When it was written, by the device's clock.
    #[serde(default)]
    pub at: UnixMillis,
}

/// What the machine is made of. A field the agent could not find out is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Inventory {
    /// Architecture as `uname -m` spells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Name and version of the distribution.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operating_system: Option<String>,
    /// Kernel release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_version: Option<String>,
    /// Logical processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_cores: Option<u32>,
    /// Memory in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<i64>,
    /// Size in bytes of the file system that holds the images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disk_bytes: Option<i64>,
    /// Version of podman.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub podman_version: Option<String>,
    /// Version of the agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_version: Option<String>,
    /// Addresses of its interfaces, loopback and containers' bridges left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
}
