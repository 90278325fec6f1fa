//! From what a device says of itself to what its `Device` object should say.

use fleet_api::DEVICE_ID_LABEL;
use fleet_contracts::Revision;
use fleet_contracts::payload::DeviceInfo;
use serde_json::json;

use crate::claims::LabelRule;
use crate::index::Info;
use crate::labels::{DropReason, Dropped, sanitise};

/// Labels that can be used, labels that cannot, and a digest of all that goes into the object.
///
/// Whatever the device says, its `device-id` label is its id: a selector for one device must not be
/// open to another. Of the others it gets those that `rule` lets it claim.
pub fn describe(info: &DeviceInfo, rule: &LabelRule) -> Info {
    let (mut labels, mut dropped) = sanitise(&info.labels);
    let own = info.device.to_string();
    labels.retain(|key, value| {
        let may = key == DEVICE_ID_LABEL || rule.allows(key, value);
        if !may {
            dropped.push(Dropped {
                key: key.clone(),
                reason: DropReason::NotAllowed,
            });
        }
        may
    });
    let claimed = labels.insert(DEVICE_ID_LABEL.to_owned(), own.clone());
    if claimed.is_some_and(|claimed| claimed != own) {
        dropped.push(Dropped {
            key: DEVICE_ID_LABEL.to_owned(),
            reason: DropReason::ReservedKey,
        });
    }
    let content = json!({"labels": labels, "inventory": info.inventory});
    Info {
        digest: Revision::of(&content).short(),
        labels,
        dropped,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(label: (&str, &str)) -> DeviceInfo {
        let labels = [(label.0.to_owned(), label.1.to_owned())].into();
        DeviceInfo {
            schema_version: 1,
            device: "dev-1".parse().expect("an id"),
            labels,
            inventory: fleet_contracts::payload::Inventory::default(),
            at: fleet_contracts::UnixMillis(0),
        }
    }

    fn free(info: &DeviceInfo) -> Info {
        describe(info, &LabelRule::default())
    }

    #[test]
    fn what_a_device_may_not_claim_it_does_not_get() {
        let rule = LabelRule {
            bound: Some([("site".to_owned(), "lyon".to_owned())].into()),
            allowed: None,
        };
        let honest = describe(&info(("site", "lyon")), &rule);
        assert_eq!(honest.labels.len(), 2, "its id is its own in any case");
        assert_eq!(honest.dropped, []);
        let liar = describe(&info(("site", "paris")), &rule);
        assert_eq!(liar.labels.keys().collect::<Vec<_>>(), [DEVICE_ID_LABEL]);
        let dropped = Dropped {
            key: "site".into(),
            reason: DropReason::NotAllowed,
        };
        assert_eq!(liar.dropped, [dropped]);
    }

    #[test]
    fn every_device_carries_its_own_id_and_no_other() {
        let honest = free(&info(("region", "eu")));
        assert_eq!(honest.labels[DEVICE_ID_LABEL], "dev-1");
        assert_eq!(honest.dropped, []);
        let liar = free(&info((DEVICE_ID_LABEL, "dev-2")));
        assert_eq!(liar.labels[DEVICE_ID_LABEL], "dev-1");
        assert_eq!(liar.dropped.len(), 1);
    }

    #[test]
    fn the_digest_follows_what_is_said_and_not_when() {
        let first = info(("region", "eu"));
        let later = DeviceInfo {
            at: fleet_contracts::UnixMillis(5),
            ..first.clone()
        };
        assert_eq!(free(&first).digest, free(&later).digest);
        assert_ne!(free(&first).digest, free(&info(("region", "us"))).digest);
    }
}
