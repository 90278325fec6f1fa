//! `Device`: a member of the fleet. Its labels are what selectors match.

use fleet_contracts::payload::Inventory;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A member of the fleet. The operator makes it from what the device says of itself; labels that
/// people add are kept beside the device's own and count the same.
#[derive(Debug, Clone, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fleet.nationtech.io",
    version = "v1alpha1",
    kind = "Device",
    plural = "devices",
    shortname = "fleetdev",
    category = "fleet",
    status = "DeviceStatus",
    derive = "PartialEq",
    doc = "A device of the fleet; its labels are what Deployments select.",
    validation = kube::core::Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit (RFC 1123 label): it is the device's id on the bus"),
    printcolumn(name = "Reachable", type_ = "string", json_path = ".status.conditions[?(@.type==\"Reachable\")].status", description = "Whether heartbeats arrive"),
    printcolumn(name = "Arch", type_ = "string", json_path = ".spec.inventory.architecture"),
    printcolumn(name = "Agent", type_ = "string", json_path = ".spec.inventory.agentVersion"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "OS", type_ = "string", json_path = ".spec.inventory.operatingSystem", priority = 1),
    printcolumn(name = "Podman", type_ = "string", json_path = ".spec.inventory.podmanVersion", priority = 1),
    printcolumn(name = "Last-Seen", type_ = "date", json_path = ".status.lastSeen", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSpec {
    /// What the machine is made of, as its agent found it.
    #[serde(default)]
    pub inventory: Inventory,
}

/// What the operator knows of a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceStatus {
    /// The last heartbeat before the current Reachable condition was written. It is not renewed
    /// with every heartbeat: those never reach the API server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Time>,
    /// Reachable, Stale, LabelsAccepted and Synced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}
