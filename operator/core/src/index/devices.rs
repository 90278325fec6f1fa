//! Devices come, change their labels and go.

use std::collections::BTreeSet;

use fleet_contracts::DeviceId;
use fleet_contracts::UnixMillis;
use roaring::RoaringBitmap;

use super::FleetIndex;
use super::device::Object;
use super::input::{DeviceSeen, Dirty, Info};
use crate::labels::Labels;

impl FleetIndex {
    pub(super) fn device_applied(&mut self, seen: DeviceSeen, now: UnixMillis, dirty: &mut Dirty) {
        let slot = self.devices.intern(&seen.device);
        let Some(record) = self.devices.get_mut(slot) else {
            return;
        };
        let object = Object {
            labels: seen.labels,
            applied: seen.applied,
        };
        let labels = object.labels.clone();
        let old = record.object.replace(object);
        if record.needs_apply() {
            dirty.device_objects.insert(seen.device.clone());
        }
        if let Some(old) = old {
            if old.labels != labels {
                self.postings.remove(slot, &old.labels);
                self.postings.insert(slot, &labels);
                let affected = self.affected(slot, &old.labels, &labels);
                self.reconsider(slot, &affected, &labels, dirty);
            }
            return;
        }
        self.first_look(slot, seen.reachability, now);
        dirty.device_statuses.insert(seen.device.clone());
        // Even a device without Deployments gets a manifest: an empty one.
        dirty.desired.insert(seen.device);
        self.postings.insert(slot, &labels);
        let candidates = self.anchors.candidates(&labels);
        self.reconsider(slot, &candidates, &labels, dirty);
    }

    /// The Deployments that a change of labels can concern: those that look at a changed key, and
    /// of these only the ones the device runs or its labels lead to.
    fn affected(&self, slot: u32, old: &Labels, new: &Labels) -> RoaringBitmap {
        let keys: BTreeSet<_> = old
            .iter()
            .filter(|(key, value)| new.get(*key) != Some(value))
            .chain(new.iter().filter(|(key, _)| !old.contains_key(*key)))
            .map(|(key, _)| key.as_str())
            .collect();
        let mut possible = self.anchors.candidates(new);
        if let Some(record) = self.devices.get(slot) {
            possible |= &record.assigned;
        }
        possible & self.anchors.mentioning(keys)
    }

    fn reconsider(
        &mut self,
        device: u32,
        candidates: &RoaringBitmap,
        labels: &Labels,
        dirty: &mut Dirty,
    ) {
        for slot in candidates {
            self.examined += 1;
            let spec = self.deployments.get(slot).and_then(|d| d.spec.as_ref());
            let Some(plan) = spec.and_then(|spec| spec.plan.as_ref()) else {
                continue;
            };
            if plan.selector.matches(labels) {
                let (revision, body) = (plan.revision, plan.body.clone());
                self.assign(device, slot, revision, Some(&body), dirty);
            } else {
                self.unassign(device, slot, dirty);
            }
        }
    }

    /// Forgets a device. Should it still be alive, its next words make it known again.
    pub(super) fn device_gone(&mut self, device: &DeviceId, dirty: &mut Dirty) {
        let Some(slot) = self.devices.find(device) else {
            return;
        };
        let assigned = self.devices.get(slot).map(|d| d.assigned.clone());
        for deployment in assigned.unwrap_or_default() {
            self.unassign(slot, deployment, dirty);
        }
        let Some(record) = self.devices.get_mut(slot) else {
            return;
        };
        record.info = None;
        record.refusal = None;
        record.follows = None;
        let reported: Vec<_> = record.reports.drain().map(|(d, _)| d).collect();
        if let Some(object) = record.object.take() {
            self.postings.remove(slot, &object.labels);
        }
        for deployment in reported {
            if let Some(record) = self.deployments.get_mut(deployment) {
                record.reporters.remove(slot);
            }
            self.release_deployment(deployment);
        }
        self.forget_life(slot);
        self.release_device(slot);
        dirty.desired.insert(device.clone());
        dirty.forgotten.insert(device.clone());
    }

    pub(super) fn info_reported(&mut self, device: &DeviceId, info: Info, dirty: &mut Dirty) {
        let slot = self.devices.intern(device);
        let Some(record) = self.devices.get_mut(slot) else {
            return;
        };
        let old = record.info.replace(info);
        let dropped_changed =
            old.map(|old| old.dropped) != record.info.as_ref().map(|i| i.dropped.clone());
        if record.needs_apply() {
            dirty.device_objects.insert(device.clone());
        }
        if dropped_changed && record.object.is_some() {
            dirty.device_statuses.insert(device.clone());
        }
    }

    pub(super) fn info_gone(&mut self, device: &DeviceId) {
        let Some(slot) = self.devices.find(device) else {
            return;
        };
        if let Some(record) = self.devices.get_mut(slot) {
            record.info = None;
        }
        self.release_device(slot);
    }
}
