//! Which labels a device may claim: what its enrolment says.
//!
//! Labels decide what runs where, and so who gets which secrets. What a device says of itself comes
//! over the bus; what it may say comes from Kubernetes, where neither a device nor the bus can write
//! (docs/adr/0023).

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fleet_api::DeviceEnrolment;
use fleet_contracts::DeviceId;

use crate::labels::Labels;

/// The labels that a device may claim.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelRule {
    /// What its token binds it to: these and no others. None restricts nothing.
    pub bound: Option<Labels>,
    /// What its policy allows; no values allow all. None restricts nothing.
    pub allowed: Option<BTreeMap<String, BTreeSet<String>>>,
}

impl LabelRule {
    /// Whether the device may claim this label.
    pub fn allows(&self, key: &str, value: &str) -> bool {
        let bound = self.bound.as_ref();
        let allowed = self.allowed.as_ref();
        bound.is_none_or(|labels| labels.get(key).is_some_and(|only| only == value))
            && allowed.is_none_or(|labels| {
                let values = labels.get(key);
                values.is_some_and(|values| values.is_empty() || values.contains(value))
            })
    }
}

/// What a device may claim that is not enrolled: one with a static key, or whose enrolment was deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unenrolled {
    /// Any label.
    #[default]
    Any,
    /// None. Right where all devices enrol: a deleted enrolment then sets no device free.
    None,
}

impl Unenrolled {
    fn rule(self) -> LabelRule {
        match self {
            Self::Any => LabelRule::default(),
            Self::None => LabelRule {
                bound: Some(Labels::new()),
                allowed: None,
            },
        }
    }
}

/// What one enrolment says. The later one goes first; names settle the rest.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Said {
    created: i64,
    rule: LabelRule,
}

/// The enrolments of all devices, as far as labels go.
///
/// Only those count that came as far as a user at the identity provider: nobody can log in without.
/// So an enrolment that merely asks for a device's id changes nothing about that device.
#[derive(Debug, Default)]
pub struct Enrolments {
    devices: HashMap<DeviceId, BTreeMap<String, Said>>,
    /// The device of each enrolment that counts.
    names: HashMap<String, DeviceId>,
    unenrolled: LabelRule,
}

impl Enrolments {
    /// None yet.
    pub fn new(unenrolled: Unenrolled) -> Self {
        Self {
            unenrolled: unenrolled.rule(),
            ..Self::default()
        }
    }

    /// What a device may claim.
    pub fn rule(&self, device: &DeviceId) -> &LabelRule {
        let said = self.devices.get(device).map(BTreeMap::iter);
        let latest = said.and_then(|said| said.max_by_key(|(name, said)| (said.created, *name)));
        latest.map_or(&self.unenrolled, |(_, said)| &said.rule)
    }

    /// An enrolment is as given.
    pub fn applied(&mut self, name: &str, enrolment: &DeviceEnrolment) {
        self.gone(name);
        let status = enrolment.status.as_ref();
        let Some(status) = status.filter(|status| status.user_id.is_some()) else {
            return;
        };
        let values = |values: &Vec<String>| values.iter().cloned().collect();
        let allowed = status.allowed_labels.as_ref().map(|allowed| {
            let labels = allowed.iter();
            labels
                .map(|(key, all)| (key.clone(), values(all)))
                .collect()
        });
        let created = enrolment.metadata.creation_timestamp.as_ref();
        let said = Said {
            created: created.map_or(0, |at| at.0.as_second()),
            rule: LabelRule {
                bound: enrolment.spec.bound_labels.clone(),
                allowed,
            },
        };
        let device = enrolment.spec.device_id.clone();
        let of_device = self.devices.entry(device.clone()).or_default();
        of_device.insert(name.to_owned(), said);
        self.names.insert(name.to_owned(), device);
    }

    /// An enrolment is no more.
    pub fn gone(&mut self, name: &str) {
        let Some(device) = self.names.remove(name) else {
            return;
        };
        if let Some(said) = self.devices.get_mut(&device) {
            said.remove(name);
            if said.is_empty() {
                self.devices.remove(&device);
            }
        }
    }

    /// The device of an enrolment that counts.
    pub fn device(&self, name: &str) -> Option<&DeviceId> {
        self.names.get(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn enrolment(status: &serde_json::Value, second: u32) -> DeviceEnrolment {
        let made = json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "DeviceEnrolment",
            "metadata": {"creationTimestamp": format!("2026-01-01T00:00:{second:02}Z")},
            "spec": {
                "publicKey": "", "fingerprint": "", "deviceId": "dev-1", "tokenId": "",
                "boundLabels": {"site": "lyon", "rack": "1"},
            },
            "status": status,
        });
        serde_json::from_value(made).expect("an enrolment")
    }

    fn dev() -> DeviceId {
        "dev-1".parse().expect("an id")
    }

    #[test]
    fn token_and_policy_both_have_to_allow_a_label() {
        let mut all = Enrolments::default();
        assert!(all.rule(&dev()).allows("site", "paris"), "free by default");
        let allowed = json!({"site": ["lyon", "paris"], "tier": []});
        let status = json!({"userId": "1", "allowedLabels": allowed});
        all.applied("a", &enrolment(&status, 0));
        let rule = all.rule(&dev());
        assert!(rule.allows("site", "lyon"));
        assert!(!rule.allows("site", "paris"), "the token says Lyon");
        assert!(!rule.allows("rack", "1"), "the policy does not name racks");
        assert!(
            !rule.allows("tier", "gold"),
            "the token does not name tiers"
        );
        all.gone("a");
        assert_eq!(all.rule(&dev()), &LabelRule::default());
    }

    #[test]
    fn without_an_enrolment_nothing_may_be_claimed_where_all_have_to_enrol() {
        let mut all = Enrolments::new(Unenrolled::None);
        assert!(!all.rule(&dev()).allows("site", "lyon"));
        all.applied("a", &enrolment(&json!({"userId": "1"}), 0));
        assert!(all.rule(&dev()).allows("site", "lyon"));
    }

    #[test]
    fn who_only_asks_for_an_id_changes_nothing_and_the_latest_that_may_log_in_counts() {
        let mut all = Enrolments::default();
        let rule = |all: &Enrolments| all.rule(&dev()).allowed.clone();
        let status = |value: &str| json!({"userId": "1", "allowedLabels": {"site": [value]}});
        let says = |value: &str| Some([("site".to_owned(), [value.to_owned()].into())].into());
        all.applied("b", &enrolment(&status("one"), 1));
        all.applied("c", &enrolment(&json!({}), 9));
        assert_eq!(rule(&all), says("one"));
        all.applied("a", &enrolment(&status("two"), 2));
        assert_eq!(rule(&all), says("two"));
        all.applied("a", &enrolment(&status("three"), 2));
        assert_eq!(rule(&all), says("three"));
        all.gone("a");
        assert_eq!((rule(&all), all.device("a")), (says("one"), None));
    }
}
