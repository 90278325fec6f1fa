use std::collections::{BTreeSet, HashMap};

use fleet_contracts::UnixMillis;
use fleet_contracts::kv::EntryKey;

use super::FleetIndex;
use super::input::{Dirty, Reachability};

/// How long a report without Deployment or without device is kept. It may only be early: the
/// object may still be on its way, or be deleted and made again.
const GRACE_MS: u64 = 10 * 60 * 1000;

/// How long a report is kept that its device should not have to give any more, after it was given
/// last. A device deletes its reports, but one can be late and arrive after that. What a device
/// stands by, it says again within 15 minutes.
const UNREPEATED_MS: u64 = 20 * 60 * 1000;

/// Reports that nobody may ask for again, by when to give them up.
#[derive(Debug, Default)]
pub(super) struct Orphans {
    queue: BTreeSet<(UnixMillis, EntryKey)>,
    /// When each was given last.
    given: HashMap<EntryKey, UnixMillis>,
    /// Pairs that have come apart since the last event, with a report.
    parted: Vec<(u32, u32)>,
}

impl Orphans {
    pub(super) fn next(&self) -> Option<UnixMillis> {
        self.queue.first().map(|(at, _)| *at)
    }

    pub(super) fn watch(&mut self, key: EntryKey, now: UnixMillis) {
        if self.given.insert(key.clone(), now).is_none() {
            self.look_later(key, now, GRACE_MS);
        }
    }

    pub(super) fn part(&mut self, device: u32, deployment: u32) {
        self.parted.push((device, deployment));
    }

    fn look_later(&mut self, key: EntryKey, now: UnixMillis, wait: u64) {
        let at = UnixMillis(now.0.saturating_add(wait));
        self.queue.insert((at, key));
    }

    fn pop_due(&mut self, now: UnixMillis) -> Option<EntryKey> {
        if self.next()? > now {
            return None;
        }
        let (_, key) = self.queue.pop_first()?;
        Some(key)
    }
}

impl FleetIndex {
    /// Watches the reports of pairs that have come apart.
    pub(super) fn watch_parted(&mut self, now: UnixMillis) {
        for (device, deployment) in std::mem::take(&mut self.orphans.parted) {
            let names = self.devices.name(device).cloned();
            let names = names.zip(self.deployments.name(deployment).cloned());
            if let Some((device, deployment)) = names {
                self.orphans.watch(EntryKey { device, deployment }, now);
            }
        }
    }

    pub(super) fn give_up_orphans(&mut self, now: UnixMillis, dirty: &mut Dirty) {
        while let Some(key) = self.orphans.pop_due(now) {
            if !self.has_report(&key) || self.is_asked(&key) {
                self.orphans.given.remove(&key);
            } else if self.is_abandoned(&key, now) {
                self.orphans.given.remove(&key);
                self.report_gone(&key, dirty);
                dirty.reports.insert(key);
            } else {
                self.orphans.look_later(key, now, GRACE_MS);
            }
        }
    }

    /// Whether nobody stands by a report that nobody asks for.
    fn is_abandoned(&self, key: &EntryKey, now: UnixMillis) -> bool {
        if !self.is_expected(key) {
            return true;
        }
        let device = self.devices.by_name(&key.device);
        let heard = device.is_some_and(|d| d.life.state == Reachability::Reachable);
        let given = self.orphans.given.get(key);
        // A device that is silent may still run it.
        heard && given.is_none_or(|at| now.millis_since(*at) >= UNREPEATED_MS)
    }

    fn has_report(&self, key: &EntryKey) -> bool {
        let device = self.devices.by_name(&key.device);
        let found = device.zip(self.deployments.find(&key.deployment));
        found.is_some_and(|(device, slot)| device.reports.contains_key(&slot))
    }

    /// Whether both objects a report is about exist.
    fn is_expected(&self, key: &EntryKey) -> bool {
        let device = self.devices.by_name(&key.device);
        let deployment = self.deployments.by_name(&key.deployment);
        device.is_some_and(|d| d.object.is_some()) && deployment.is_some_and(|d| d.spec.is_some())
    }

    /// Whether the device should run what a report is about.
    pub(super) fn is_asked(&self, key: &EntryKey) -> bool {
        let device = self.devices.by_name(&key.device);
        let asked = device.zip(self.deployments.find(&key.deployment));
        self.is_expected(key) && asked.is_some_and(|(device, slot)| device.assigned.contains(slot))
    }

    /// Whether a report that was given up is still nobody's: it may have been given or asked for
    /// since.
    pub fn may_forget(&self, key: &EntryKey) -> bool {
        !self.has_report(key) && !self.is_asked(key)
    }
}
