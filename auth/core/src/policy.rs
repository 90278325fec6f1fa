//! What was decided about a device, apart from who it is.

use std::collections::{BTreeMap, BTreeSet};

use fleet_contracts::DeviceId;
use serde::{Deserialize, Serialize};

/// What was decided about one device.
///
/// Fields that this version does not know make a record unreadable, so that a restriction is never
/// overlooked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct DevicePolicy {
    /// The identity provider's user that this device belongs to. Without it any user whose token
    /// names the device is taken for it.
    pub subject: Option<String>,
    /// Off: the device waits until it is switched on again.
    pub enabled: bool,
    /// Shut out for good: lost, stolen, retired.
    pub denied: bool,
    /// The labels that the device may claim, each with its values; no values allow all. None at all
    /// leaves labels to the device.
    pub allowed_labels: Option<BTreeMap<String, BTreeSet<String>>>,
    /// Most subscriptions at the same time; never more than the service's own limit.
    pub max_subscriptions: Option<u32>,
    /// Largest message, in bytes; never more than the service's own limit.
    pub max_payload: Option<u32>,
    /// Longest time until the device has to log in again, in seconds; never more than the service's
    /// own limit.
    pub max_lifetime: Option<u64>,
    /// What happens when somebody else turns out to have the same identity; the service's own choice
    /// where nothing is said.
    pub on_clone: Option<OnClone>,
}

/// What happens when one identity is found in two places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OnClone {
    /// It is said in the audit log and counted.
    Alert,
    /// And the device is denied, so that neither gets in until somebody has looked.
    Deny,
}

impl Default for DevicePolicy {
    fn default() -> Self {
        Self {
            subject: None,
            enabled: true,
            denied: false,
            allowed_labels: None,
            max_subscriptions: None,
            max_payload: None,
            max_lifetime: None,
            on_clone: None,
        }
    }
}

impl DevicePolicy {
    /// Whether the device may claim this label.
    pub fn allows_label(&self, key: &str, value: &str) -> bool {
        let Some(allowed) = &self.allowed_labels else {
            return true;
        };
        allowed
            .get(key)
            .is_some_and(|values| values.is_empty() || values.contains(value))
    }
}

/// Policies by device.
pub trait Policies {
    /// The policy of a device; none means that the device is not to be let in.
    fn of(&self, device: &DeviceId) -> Option<&DevicePolicy>;
}

/// Policies that are all at hand.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyBook {
    /// For devices without one of their own. Without it only devices that are listed are let in.
    pub default: Option<DevicePolicy>,
    /// By device.
    pub devices: BTreeMap<DeviceId, DevicePolicy>,
}

impl Policies for PolicyBook {
    fn of(&self, device: &DeviceId) -> Option<&DevicePolicy> {
        self.devices.get(device).or(self.default.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_free_where_nothing_is_said_and_else_only_as_listed() {
        let free = DevicePolicy::default();
        assert!(free.allows_label("site", "berlin"));
        let record = r#"{"allowedLabels": {"site": ["berlin"], "rack": []}}"#;
        let bound: DevicePolicy = serde_json::from_str(record).expect("a policy");
        assert!(bound.allows_label("site", "berlin"));
        assert!(!bound.allows_label("site", "paris"));
        assert!(bound.allows_label("rack", "any"));
        assert!(!bound.allows_label("tier", "gold"));
    }

    #[test]
    fn a_restriction_of_a_newer_version_is_not_overlooked() {
        assert!(serde_json::from_str::<DevicePolicy>(r#"{"onlyAtNight": true}"#).is_err());
    }

    #[test]
    fn a_device_without_policy_has_the_default_or_none() {
        let device: DeviceId = "dev-1".parse().expect("valid");
        assert_eq!(PolicyBook::default().of(&device), None);
        let book: PolicyBook =
            serde_json::from_str(r#"{"default": {}, "devices": {"dev-2": {"denied": true}}}"#)
                .expect("a book");
        assert_eq!(book.of(&device), Some(&DevicePolicy::default()));
    }
}
