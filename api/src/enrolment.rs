//! `DeviceEnrolment`: a device asks to be part of the fleet, and somebody decides.
//!
//! Who may write what is a matter of RBAC alone (docs/adr/0022): the enrolment service may create
//! enrolments and update their status, people may patch `spec.approval`. The rules below keep the two
//! apart: what is created is undecided, and nothing but the decision ever changes.

use std::collections::BTreeMap;
use std::fmt;

use fleet_contracts::DeviceId;
use fleet_contracts::payload::Inventory;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::selector::match_labels;

/// A device that asks to be part of the fleet. Its name is the id of its key.
#[derive(Debug, Clone, PartialEq, CustomResource, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "fleet.nationtech.io",
    version = "v1alpha1",
    kind = "DeviceEnrolment",
    plural = "deviceenrolments",
    shortname = "fleetenrol",
    category = "fleet",
    status = "DeviceEnrolmentStatus",
    derive = "PartialEq",
    doc = "A device that asks to be part of the fleet. Approve or deny it in spec.approval.",
    validation = kube::core::Rule::new("self.metadata.name.matches('^[0-9a-f]{40}$')")
        .message("metadata.name must be the id of the key: 40 digits of 0-9 and a-f"),
    printcolumn(name = "Device", type_ = "string", json_path = ".spec.deviceId", description = "Who it wants to be"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".spec.approval.decision", description = "What was decided"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status", description = "Whether it can log in"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason", description = "Why (not)"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Fingerprint", type_ = "string", json_path = ".spec.fingerprint", priority = 1),
    printcolumn(name = "Key-Expires", type_ = "string", json_path = ".status.keyExpiresAt", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "oldSelf.hasValue() || !has(self.approval)", "optionalOldSelf": true,
     "message": "an enrolment is created undecided; approve or deny it afterwards"},
    {"rule": "!has(oldSelf.approval) || has(self.approval)",
     "message": "a decision can be changed, but not taken away"},
    {"rule": "self.publicKey == oldSelf.publicKey && self.fingerprint == oldSelf.fingerprint && self.deviceId == oldSelf.deviceId && self.labels == oldSelf.labels && self.tokenId == oldSelf.tokenId",
     "message": "only approval can be changed; what a device asked for is as it asked"},
    {"rule": "has(self.boundLabels) == has(oldSelf.boundLabels) && (!has(self.boundLabels) || self.boundLabels == oldSelf.boundLabels)",
     "message": "only approval can be changed; what a token binds its device to is as it was made"}
]))]
pub struct DeviceEnrolmentSpec {
    /// The device's public key: RSA, PEM ("PUBLIC KEY").
    #[schemars(length(max = 4096), regex(pattern = r"^-----BEGIN PUBLIC KEY-----\n"))]
    pub public_key: String,
    /// The key's hash for people to compare, as `fleet-agent enrol` prints it on the device.
    #[schemars(length(max = 50), regex(pattern = r"^SHA256:[A-Za-z0-9+/]{43}$"))]
    pub fingerprint: String,
    /// Who the device wants to be.
    pub device_id: DeviceId,
    /// The labels it wants to carry.
    #[serde(default)]
    #[schemars(schema_with = "match_labels")]
    pub labels: BTreeMap<String, String>,
    /// The only labels that its token lets it claim, now and later; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "match_labels")]
    pub bound_labels: Option<BTreeMap<String, String>>,
    /// What the machine is made of. Claimed, not proven.
    #[serde(default)]
    pub facts: Inventory,
    /// Which enrolment token it asked with: the token's id, not the token.
    #[schemars(length(max = 20), regex(pattern = r"^[0-9a-f]{20}$"))]
    pub token_id: String,
    /// What was decided. Whoever may patch enrolments may set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
}

/// What was decided about an enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Approval {
    /// Whether the device may join. Denying an approved one takes its access away.
    pub decision: Decision,
    /// What the device's owner should know; `fleet-agent enrol` shows it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
}

impl Approval {
    /// A merge patch of an enrolment that says this and nothing else: whoever may decide may change
    /// nothing else.
    pub fn merge_patch(&self) -> serde_json::Value {
        // `null` takes away what was said of an earlier decision.
        let message = (!self.message.is_empty()).then_some(&self.message);
        serde_json::json!({"spec": {"approval": {"decision": self.decision, "message": message}}})
    }
}

/// Whether a device may join.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Decision {
    /// It may.
    Approved,
    /// It may not.
    Denied,
}

impl Decision {
    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "Approved",
            Self::Denied => "Denied",
        }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of an enrolment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeviceEnrolmentStatus {
    /// The device's user at the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// The device's key at the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Until when the identity provider takes the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_expires_at: Option<Time>,
    /// From when on the device should replace the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_rotate_at: Option<Time>,
    /// The device's public key, once it has replaced the one of the spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub public_key: Option<String>,
    /// The key that the device is changing to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_key: Option<NextKey>,
    /// The key that was replaced and is still to be removed at the identity provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_key_id: Option<String>,
    /// What a policy decided. What a person says in spec.approval goes before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_approval: Option<PolicyApproval>,
    /// The only labels that the device's policy lets it claim, each with its values; no values allow
    /// all. Absent: any label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_labels: Option<BTreeMap<String, Vec<String>>>,
    /// Approved, Denied and Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// The key that a device is changing to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextKey {
    /// Its public half: RSA, PEM ("PUBLIC KEY").
    #[schemars(length(max = 4096))]
    pub public_key: String,
    /// Its name at the identity provider, once it was added there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Until when the identity provider takes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// From when on the device should replace it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotate_at: Option<Time>,
}

/// A policy approved an enrolment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyApproval {
    /// The name of the rule.
    pub rule: String,
    /// What of the device fulfilled it.
    pub because: String,
    /// When.
    pub at: Time,
}
