//! The one list of devices that are shut out.
//!
//! Each device's own record says so too, and for good. But that is read when the device logs in, and
//! may be known from before. The list is small enough to be read every second, so that a denial is
//! heard at once: live connections end, and what is known from before counts no longer.

use std::collections::BTreeMap;

use fleet_contracts::DeviceId;
use serde::{Deserialize, Serialize};

/// How long a denial stays in the list, in seconds. By then every service has read the device's own
/// record, or is too long without news to let anybody in.
const KEPT: u64 = 30 * 24 * 60 * 60;
/// The most denials in the list; it is one record, and read often.
const MOST: usize = 5000;

/// Devices that are shut out. What newer versions add is left aside: it cannot make a denial less.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denials {
    /// By device.
    #[serde(default)]
    pub devices: BTreeMap<DeviceId, Denial>,
}

/// That a device was shut out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Denial {
    /// When, in seconds since 1970.
    pub at: u64,
    /// Why, for people.
    #[serde(default)]
    pub reason: String,
}

impl Denials {
    /// Adds a device; whether the list is another now. One that is listed already keeps its entry.
    pub fn deny(&mut self, device: &DeviceId, denial: Denial) -> bool {
        if self.devices.contains_key(device) {
            return false;
        }
        let oldest = denial.at.saturating_sub(KEPT);
        self.devices.retain(|_, denial| denial.at >= oldest);
        while self.devices.len() >= MOST {
            let first = self.devices.iter().min_by_key(|(_, denial)| denial.at);
            let Some(first) = first.map(|(device, _)| device.clone()) else {
                break;
            };
            self.devices.remove(&first);
        }
        self.devices.insert(device.clone(), denial);
        true
    }

    /// Takes a device out; whether the list is another now.
    pub fn allow(&mut self, device: &DeviceId) -> bool {
        self.devices.remove(device).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(number: usize) -> DeviceId {
        format!("dev-{number}").parse().expect("valid")
    }

    fn at(at: u64) -> Denial {
        Denial {
            at,
            reason: "lost".to_owned(),
        }
    }

    #[test]
    fn a_denial_is_kept_until_it_is_taken_back_or_old() {
        let mut list = Denials::default();
        assert!(list.deny(&device(1), at(1000)));
        assert!(!list.deny(&device(1), at(2000)), "it is listed");
        assert_eq!(list.devices[&device(1)].at, 1000);
        assert!(list.deny(&device(2), at(1000 + KEPT)));
        assert!(list.devices.contains_key(&device(1)));
        assert!(list.deny(&device(3), at(1001 + KEPT)));
        assert!(!list.devices.contains_key(&device(1)), "too old");
        assert!(list.allow(&device(2)));
        assert!(!list.allow(&device(2)));
    }

    #[test]
    fn a_full_list_loses_its_oldest() {
        let mut list = Denials::default();
        for number in 0..=MOST {
            list.deny(&device(number), at(number as u64));
        }
        assert_eq!(list.devices.len(), MOST);
        assert!(!list.devices.contains_key(&device(0)));
        assert!(list.devices.contains_key(&device(MOST)));
    }

    #[test]
    fn what_a_newer_version_adds_does_not_hide_a_denial() {
        let text = r#"{"devices": {"dev-1": {"at": 5, "by": "eve"}}, "more": 1}"#;
        let list: Denials = serde_json::from_str(text).expect("a list");
        assert!(list.devices.contains_key(&device(1)));
    }
}
