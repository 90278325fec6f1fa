//! The one place where a pair of device and Deployment comes to be, changes its count, and ends.

use fleet_contracts::{Revision, UnixMillis};

use super::FleetIndex;
use super::class::classify;
use super::deployment::DeploymentRecord;
use super::device::DeviceRecord;
use super::input::Dirty;
use crate::body::Body;

impl FleetIndex {
    /// Has a device run a revision of a Deployment.
    pub(super) fn assign(
        &mut self,
        device: u32,
        deployment: u32,
        revision: Revision,
        body: Option<&Body>,
        dirty: &mut Dirty,
    ) {
        let Some(record) = self.deployments.get_mut(deployment) else {
            return;
        };
        if !record.assign(device, revision, body) {
            return;
        }
        if let Some((name, record)) = self.devices.entry_mut(device) {
            record.assigned.insert(deployment);
            dirty.desired.insert(name.clone());
        }
        self.recount(device, deployment, dirty);
        self.dirty_status(deployment, dirty);
    }

    /// Has a device no longer run a Deployment.
    pub(super) fn unassign(&mut self, device: u32, deployment: u32, dirty: &mut Dirty) {
        let Some(record) = self.deployments.get_mut(deployment) else {
            return;
        };
        if !record.unassign(device) {
            return;
        }
        if let Some((name, record)) = self.devices.entry_mut(device) {
            record.assigned.remove(deployment);
            dirty.desired.insert(name.clone());
            if record.reports.contains_key(&deployment) {
                self.orphans.part(device, deployment);
            }
        }
        self.dirty_status(deployment, dirty);
    }

    /// Puts a pair into the set that its report calls for.
    pub(super) fn recount(&mut self, device: u32, deployment: u32, dirty: &mut Dirty) {
        let report = self
            .devices
            .get(device)
            .and_then(|d| d.reports.get(&deployment));
        let Some(record) = self.deployments.get_mut(deployment) else {
            return;
        };
        let Some(assigned) = record.assignment(device) else {
            return;
        };
        let class = classify(assigned.revision, report);
        let at = report.map_or(UnixMillis(0), |report| report.received);
        if record.count(device, class, at) {
            self.dirty_status(deployment, dirty);
        }
    }

    fn dirty_status(&self, deployment: u32, dirty: &mut Dirty) {
        dirty
            .statuses
            .extend(self.deployments.name(deployment).cloned());
    }

    pub(super) fn release_device(&mut self, slot: u32) {
        let idle = self.devices.get(slot).is_some_and(DeviceRecord::is_idle);
        if idle {
            self.liveness.stale.remove(slot);
            self.devices.remove(slot);
        }
    }

    pub(super) fn release_deployment(&mut self, slot: u32) {
        let idle = self
            .deployments
            .get(slot)
            .is_some_and(DeploymentRecord::is_idle);
        if idle {
            self.deployments.remove(slot);
        }
    }
}
