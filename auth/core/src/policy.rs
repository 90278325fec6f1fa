//! What was decided about a device, apart from who it is.

use std::collections::{BTreeMap, BTreeSet};

use fleet_contracts::DeviceId;
use serde::{Deserialize, Serialize};

/// Labels, each with its values; no values allow all. None at all restricts nothing.
pub type AllowedLabels = Option<BTreeMap<String, BTreeSet<String>>>;

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
    /// The labels that the device may claim. The enrolment service writes them into the device's
    /// enrolment, by which the operator goes (docs/adr/0023): the callout never sees labels.
    pub allowed_labels: AllowedLabels,
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

impl PolicyBook {
    /// Whose labels it would restrict: a device, or `default`.
    pub fn restricts_labels_of(&self) -> Option<String> {
        let named = self.devices.iter().map(|(d, policy)| (d.as_str(), policy));
        let default = self.default.iter().map(|policy| ("default", policy));
        let mut all = default.chain(named);
        let found = all.find(|(_, policy)| policy.allowed_labels.is_some());
        found.map(|(of, _)| of.to_owned())
    }
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
        assert_eq!(book.restricts_labels_of(), None);
    }

    #[test]
    fn a_book_names_whose_labels_it_would_restrict() {
        for (text, of) in [
            (r#"{"default": {"allowedLabels": {}}}"#, "default"),
            (
                r#"{"default": {}, "devices": {"dev-2": {"allowedLabels": {"a": []}}}}"#,
                "dev-2",
            ),
        ] {
            let book: PolicyBook = serde_json::from_str(text).expect("a book");
            assert_eq!(book.restricts_labels_of().as_deref(), Some(of));
        }
    }
}
