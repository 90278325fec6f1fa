use std::collections::{BTreeSet, HashSet};

use fleet_contracts::UnixMillis;
use fleet_contracts::kv::EntryKey;

use super::FleetIndex;
use super::input::Dirty;

/// How long a report without Deployment or without device is kept. It may only be early: the
/// object may still be on its way, or be deleted and made again.
const GRACE_MS: u64 = 10 * 60 * 1000;

/// Reports that nobody may ask for again, by when to give them up.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    queue: BTreeSet<(UnixMillis, EntryKey)>,
    queued: HashSet<EntryKey>,
}

impl Orphans {
    pub(super) fn next(&self) -> Option<UnixMillis> {
        self.queue.first().map(|(at, _)| *at)
    }

    pub(super) fn watch(&mut self, key: EntryKey, now: UnixMillis) {
        if self.queued.insert(key.clone()) {
            let at = UnixMillis(now.0.saturating_add(GRACE_MS));
            self.queue.insert((at, key));
        }
    }

    fn pop_due(&mut self, now: UnixMillis) -> Option<EntryKey> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.queue.pop_first()?;
        self.queued.remove(&key);
        Some(key)
    }
}

impl FleetIndex {
    pub(super) fn give_up_orphans(&mut self, now: UnixMillis, dirty: &mut Dirty) {
        while let Some(key) = self.orphans.pop_due(now) {
            let device = self.devices.by_name(&key.device);
            let deployment = self.deployments.find(&key.deployment);
            let reported = device
                .zip(deployment)
                .is_some_and(|(device, slot)| device.reports.contains_key(&slot));
            if reported && !self.is_expected(&key) {
                self.report_gone(&key, dirty);
                dirty.reports.insert(key);
            }
        }
    }

    /// Whether both objects a report is about exist.
    pub fn is_expected(&self, key: &EntryKey) -> bool {
        let device = self.devices.by_name(&key.device);
        let deployment = self.deployments.by_name(&key.deployment);
        device.is_some_and(|d| d.object.is_some()) && deployment.is_some_and(|d| d.spec.is_some())
    }
}
