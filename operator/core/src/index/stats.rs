use fleet_contracts::Revision;
use roaring::RoaringBitmap;

use super::FleetIndex;
use super::class::{Class, classify};
use super::deployment::DeploymentRecord;
use crate::status::Standing;

/// Totals, for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Devices with an object.
    pub devices: u64,
    /// Of these, not heard any more.
    pub stale: u64,
    /// Deployments with an object.
    pub deployments: u64,
    /// Of these, refused.
    pub refused: u64,
    /// Of these, ready; see [`Standing`].
    pub ready: u64,
    /// Of these, progressing.
    pub progressing: u64,
    /// Of these, stalled.
    pub stalled: u64,
    /// Pairs of Deployment and device.
    pub assignments: u64,
    /// Of these, running.
    pub succeeded: u64,
    /// Of these, failed.
    pub failed: u64,
    /// Of these, not reported on.
    pub pending: u64,
    /// Reports held, expected or not.
    pub reports: u64,
}

impl FleetIndex {
    /// Totals over everything.
    pub fn stats(&self) -> Stats {
        let mut stats = Stats::default();
        for (slot, _, device) in self.devices.iter() {
            stats.reports += device.reports.len() as u64;
            if device.object.is_some() {
                stats.devices += 1;
                stats.stale += u64::from(self.liveness.stale.contains(slot));
            }
        }
        for (_, _, record) in self.deployments.iter() {
            let Some(spec) = &record.spec else { continue };
            stats.deployments += 1;
            stats.refused += u64::from(spec.refusal.is_some());
            let tally = self.tally(record);
            match Standing::of(spec.lifecycle, spec.refusal.as_ref(), tally) {
                Standing::Ready => stats.ready += 1,
                Standing::Progressing => stats.progressing += 1,
                Standing::Stalled => stats.stalled += 1,
            }
            stats.assignments += record.matched.len();
            stats.succeeded += record.succeeded.len();
            stats.failed += record.failed.len();
            stats.pending += record.pending.len();
        }
        stats
    }

    /// How many Deployments have counts that do not add up, or that a recount from the reports
    /// contradicts. Always 0; exported so that a defect shows.
    pub fn violations(&self) -> u64 {
        let wrong = self.deployments.iter().filter(|(slot, _, record)| {
            !adds_up(record) || self.recounted(*slot, record).as_ref() != Some(&counted(record))
        });
        wrong.count() as u64
    }

    fn recounted(&self, slot: u32, record: &DeploymentRecord) -> Option<[RoaringBitmap; 3]> {
        let mut sets = <[RoaringBitmap; 3]>::default();
        for device in &record.matched {
            let assigned: Revision = record.assignment(device)?.revision;
            let report = self.devices.get(device)?.reports.get(&slot);
            let [succeeded, failed, pending] = &mut sets;
            match classify(assigned, report) {
                Class::Succeeded => succeeded.insert(device),
                Class::Failed => failed.insert(device),
                Class::Pending => pending.insert(device),
            };
        }
        Some(sets)
    }
}

fn counted(record: &DeploymentRecord) -> [RoaringBitmap; 3] {
    [&record.succeeded, &record.failed, &record.pending].map(Clone::clone)
}

fn adds_up(record: &DeploymentRecord) -> bool {
    let sum = record.succeeded.len() + record.failed.len() + record.pending.len();
    sum == record.matched.len() && record.failures.len() as u64 == record.failed.len()
}
