//! Deployments come, change and go.

use fleet_contracts::kv::EntryKey;
use fleet_contracts::{DeploymentRef, Revision, UnixMillis};
use roaring::RoaringBitmap;

use super::FleetIndex;
use super::deployment::Spec;
use super::input::Dirty;
use crate::admit::{Admitted, Lifecycle, Plan};

impl FleetIndex {
    pub(super) fn deployment_applied(
        &mut self,
        admitted: Admitted,
        now: UnixMillis,
        dirty: &mut Dirty,
    ) {
        let reference = admitted.reference.clone();
        let slot = self.deployments.intern(&reference);
        let Some(record) = self.deployments.get_mut(slot) else {
            return;
        };
        if record
            .spec
            .as_ref()
            .is_some_and(|old| old.is_same(&admitted))
        {
            return;
        }
        let old = record.spec.take();
        let old_created = old.as_ref().map(|old| old.created);
        let spec = succeed(old, admitted);
        let (plan, lifecycle, created) = (spec.plan.clone(), spec.lifecycle, spec.created);
        record.spec = Some(spec);
        dirty.statuses.insert(reference);
        match (lifecycle, plan) {
            (Lifecycle::Deleting, _) => {
                self.anchors.remove(slot);
                self.rematch(slot, &RoaringBitmap::new(), None, dirty);
            }
            (Lifecycle::Live, Some(plan)) => {
                self.anchors.insert(slot, &plan.selector, &self.postings);
                let wanted = self.postings.select(&plan.selector);
                let held = self.holders(slot, plan.revision);
                self.rematch(slot, &wanted, Some(&plan), dirty);
                self.begin_progress(slot, plan.revision, wanted - held, now);
            }
            // Refused, and no valid spec is known: what runs stays as it is.
            (Lifecycle::Live, None) => self.anchors.remove(slot),
        }
        if old_created.is_some_and(|old| old != created) {
            self.dirty_matched(slot, dirty);
        }
    }

    pub(super) fn deployment_gone(
        &mut self,
        reference: &DeploymentRef,
        now: UnixMillis,
        dirty: &mut Dirty,
    ) {
        let Some(slot) = self.deployments.find(reference) else {
            return;
        };
        self.anchors.remove(slot);
        self.rematch(slot, &RoaringBitmap::new(), None, dirty);
        dirty.statuses.insert(reference.clone());
        if let Some(record) = self.deployments.get_mut(slot) {
            record.spec = None;
        }
        for key in self.reports_on(slot) {
            self.orphans.watch(key, now);
        }
        self.release_deployment(slot);
    }

    pub(super) fn carried(&mut self, line: &EntryKey, revision: Revision, dirty: &mut Dirty) {
        if !self.needs_carried(&line.deployment) {
            return;
        }
        let found = self.devices.find(&line.device);
        let Some((device, slot)) = found.zip(self.deployments.find(&line.deployment)) else {
            return;
        };
        self.assign(device, slot, revision, None, dirty);
    }

    /// Whether a Deployment is refused and no valid spec of it is known. Then the lines that
    /// devices already have must be given as [`super::Input::Carried`] before anything is written:
    /// a restart must not stop what an invalid update left running.
    pub fn needs_carried(&self, reference: &DeploymentRef) -> bool {
        let spec = self.deployments.by_name(reference).map(|d| &d.spec);
        spec.is_some_and(|spec| {
            spec.as_ref()
                .is_some_and(|s| s.plan.is_none() && s.lifecycle == Lifecycle::Live)
        })
    }

    /// The devices that have a revision already.
    fn holders(&self, slot: u32, revision: Revision) -> RoaringBitmap {
        let record = self.deployments.get(slot);
        let mut assigned = record.iter().flat_map(|record| &record.assigned);
        let held = assigned.find(|assigned| assigned.revision == revision);
        held.map(|held| held.devices.clone()).unwrap_or_default()
    }

    /// Makes exactly `wanted` the devices of a Deployment.
    fn rematch(
        &mut self,
        slot: u32,
        wanted: &RoaringBitmap,
        plan: Option<&Plan>,
        dirty: &mut Dirty,
    ) {
        let Some(record) = self.deployments.get_mut(slot) else {
            return;
        };
        let learned = plan.is_some_and(|plan| record.learn(plan.revision, &plan.body));
        for device in &record.matched - wanted {
            self.unassign(device, slot, dirty);
        }
        let Some(plan) = plan else { return };
        if learned {
            self.dirty_matched(slot, dirty);
        }
        for device in wanted {
            self.examined += 1;
            self.assign(device, slot, plan.revision, Some(&plan.body), dirty);
        }
    }

    fn dirty_matched(&self, slot: u32, dirty: &mut Dirty) {
        if let Some(record) = self.deployments.get(slot) {
            let devices = record.matched.iter();
            dirty
                .desired
                .extend(devices.filter_map(|d| self.devices.name(d).cloned()));
        }
    }

    fn reports_on(&self, slot: u32) -> Vec<EntryKey> {
        let Some((deployment, record)) = self.deployments.entry(slot) else {
            return vec![];
        };
        let devices = record.reporters.iter();
        devices
            .filter_map(|device| {
                Some(EntryKey {
                    device: self.devices.name(device)?.clone(),
                    deployment: deployment.clone(),
                })
            })
            .collect()
    }
}

/// The spec that follows `old`: an invalid update leaves the last valid plan of the same object.
fn succeed(old: Option<Spec>, new: Admitted) -> Spec {
    let (plan, refusal) = match new.plan {
        Ok(plan) => (Some(plan), None),
        Err(refusal) => {
            let same = old.filter(|old| old.uid == new.uid);
            (same.and_then(|old| old.plan), Some(refusal))
        }
    };
    Spec {
        uid: new.uid,
        generation: new.generation,
        created: new.created,
        lifecycle: new.lifecycle,
        plan,
        refusal,
    }
}
