//! `Deployment`: what to run, and on which devices.

use fleet_contracts::ReconcileScore;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::selector::TargetSelector;

/// A workload for every device that the selector matches.
#[derive(Debug, Clone, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fleet.nationtech.io",
    version = "v1alpha1",
    kind = "Deployment",
    plural = "deployments",
    shortname = "fleetdep",
    category = "fleet",
    namespaced,
    status = "DeploymentStatus",
    derive = "PartialEq",
    doc = "Runs containers on every device whose labels match.",
    validation = kube::core::Rule::new("self.metadata.name.size() <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be 1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit (RFC 1123 label): it becomes part of container names"),
    printcolumn(name = "Matched", type_ = "integer", json_path = ".status.aggregate.matchedDeviceCount", description = "Devices the selector matches"),
    printcolumn(name = "Succeeded", type_ = "integer", json_path = ".status.aggregate.succeeded", description = "Devices that run the current revision"),
    printcolumn(name = "Failed", type_ = "integer", json_path = ".status.aggregate.failed", description = "Devices that reported a failure of it"),
    printcolumn(name = "Pending", type_ = "integer", json_path = ".status.aggregate.pending", description = "Devices that have not reported on it"),
    printcolumn(name = "Unreachable", type_ = "integer", json_path = ".status.aggregate.unreachable", description = "Matched devices without heartbeats"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether all matched devices succeeded"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Last-Error", type_ = "string", json_path = ".status.aggregate.lastError.message", description = "The latest failure", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "(has(self.targetAll) && self.targetAll) || (has(self.targetSelector) && ((has(self.targetSelector.matchLabels) && self.targetSelector.matchLabels.size() > 0) || (has(self.targetSelector.matchExpressions) && self.targetSelector.matchExpressions.size() > 0)))",
     "message": "targetSelector is empty and would match no device; state matchLabels or matchExpressions, or set targetAll: true to mean every device"}
]))]
pub struct DeploymentSpec {
    /// Which devices. An empty selector is refused unless `targetAll` is true.
    #[serde(default)]
    pub target_selector: TargetSelector,
    /// Whether an empty selector means every device. Default false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub target_all: bool,
    /// What to run.
    pub score: ReconcileScore,
}

/// What became of a Deployment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// The `metadata.generation` this status is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// How many devices, in which state.
    #[serde(default)]
    pub aggregate: Aggregate,
    /// Ready, Progressing and Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// How many devices, in which state. `succeeded + failed + pending = matchedDeviceCount`, always.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct Aggregate {
    /// Devices the selector matches.
    pub matched_device_count: i64,
    /// Of these, devices that reported the current revision running (and healthy).
    pub succeeded: i64,
    /// Of these, devices that reported a failure at the current revision.
    pub failed: i64,
    /// Of these, devices without a final report on the current revision.
    pub pending: i64,
    /// Of these, devices whose heartbeats stopped; counted beside the other three, not among them.
    pub unreachable: i64,
    /// The latest failure among the devices that are failed now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
}

/// One device's failure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LastError {
    /// The device.
    pub device: String,
    /// Why, from a closed set.
    pub reason: String,
    /// For people.
    #[serde(default)]
    pub message: String,
    /// When the device reported it.
    pub at: Time,
}
