//! Reports come and go.

use fleet_contracts::UnixMillis;
use fleet_contracts::kv::EntryKey;

use super::FleetIndex;
use super::input::{Dirty, Report};

impl FleetIndex {
    pub(super) fn reported(
        &mut self,
        key: &EntryKey,
        report: Report,
        now: UnixMillis,
        dirty: &mut Dirty,
    ) {
        let device = self.devices.intern(&key.device);
        let deployment = self.deployments.intern(&key.deployment);
        self.report_progress(device, deployment, &report, now, dirty);
        if let Some(record) = self.devices.get_mut(device) {
            record.reports.insert(deployment, report);
        }
        if let Some(record) = self.deployments.get_mut(deployment) {
            record.reporters.insert(device);
        }
        self.recount(device, deployment, dirty);
        if !self.is_asked(key) {
            self.orphans.watch(key.clone(), now);
        }
    }

    pub(super) fn report_gone(&mut self, key: &EntryKey, dirty: &mut Dirty) {
        let found = self.devices.find(&key.device);
        let Some((device, deployment)) = found.zip(self.deployments.find(&key.deployment)) else {
            return;
        };
        if let Some(record) = self.devices.get_mut(device) {
            record.reports.remove(&deployment);
        }
        if let Some(record) = self.deployments.get_mut(deployment) {
            record.reporters.remove(device);
        }
        self.recount(device, deployment, dirty);
        self.release_device(device);
        self.release_deployment(deployment);
    }

    pub(super) fn tick(&mut self, now: UnixMillis, dirty: &mut Dirty) {
        self.check_silence(now, dirty);
        self.give_up_orphans(now, dirty);
    }
}
