//! How long changes of Deployments take to reach devices.
//!
//! For each Deployment one instant is kept, that of its last change, and for each stage the set of
//! devices that have still to pass it: a bitmap, so that a report costs O(log devices) and a thousand
//! Deployments on ten thousand devices a few megabytes at the very most.
//!
//! What is measured is the platform and not when devices are switched on: a device that is stale when
//! a change is made, or turns stale before it has passed, is not counted. Neither is one that comes to
//! a Deployment by its labels, nor anything while this replica does not lead.

use fleet_contracts::payload::Phase;
use fleet_contracts::{Manifest, Revision, UnixMillis};
use roaring::RoaringBitmap;

use super::FleetIndex;
use super::input::{Dirty, Report};

/// A stage on the way from a change of a Deployment to a device. All begin when the operator hears of
/// the change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The bus has acknowledged the device's manifest.
    Written,
    /// The device's first report on it was taken in, whatever it says.
    Reported,
    /// Its report that it runs was taken in.
    Applied,
}

impl Stage {
    /// All of them, in their order.
    pub const ALL: [Self; 3] = [Self::Written, Self::Reported, Self::Applied];

    /// The metric's label.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Written => "written",
            Self::Reported => "reported",
            Self::Applied => "applied",
        }
    }
}

/// A device has passed a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    /// Which.
    pub stage: Stage,
    /// Milliseconds after the change.
    pub after: u64,
}

/// The last change of one Deployment.
#[derive(Debug, Default)]
pub(super) struct Progress {
    revision: Option<Revision>,
    since: UnixMillis,
    /// Who has still to pass each stage.
    unwritten: RoaringBitmap,
    unreported: RoaringBitmap,
    unapplied: RoaringBitmap,
}

impl Progress {
    /// A change gave these devices this revision.
    pub(super) fn begin(&mut self, revision: Revision, devices: RoaringBitmap, now: UnixMillis) {
        if devices.is_empty() || (self.revision == Some(revision) && !self.unapplied.is_empty()) {
            // Those who still have to pass keep their instant; there is only one.
            return;
        }
        *self = Self {
            revision: Some(revision),
            since: now,
            unwritten: devices.clone(),
            unreported: devices.clone(),
            unapplied: devices,
        };
    }

    /// When this revision was given out, if that was seen to happen.
    pub(super) fn since(&self, revision: Revision) -> Option<UnixMillis> {
        (self.revision == Some(revision)).then_some(self.since)
    }

    /// A device is not waited for any more.
    pub(super) fn forget(&mut self, device: u32) {
        for stage in Stage::ALL {
            self.waiting(stage).remove(device);
        }
    }

    fn waiting(&mut self, stage: Stage) -> &mut RoaringBitmap {
        match stage {
            Stage::Written => &mut self.unwritten,
            Stage::Reported => &mut self.unreported,
            Stage::Applied => &mut self.unapplied,
        }
    }

    /// A device passes a stage; only the first time counts.
    fn pass(
        &mut self,
        stage: Stage,
        device: u32,
        revision: Revision,
        now: UnixMillis,
    ) -> Option<Passed> {
        if self.revision != Some(revision) || !self.waiting(stage).remove(device) {
            return None;
        }
        let after = now.millis_since(self.since);
        Some(Passed { stage, after })
    }
}

impl FleetIndex {
    /// Whether to measure how long changes take: one replica does, the one that writes.
    pub fn measure(&mut self, measured: bool) {
        self.measured = measured;
        if !measured {
            for slot in self.deployments.slots() {
                if let Some(record) = self.deployments.get_mut(slot) {
                    record.progress = Progress::default();
                }
            }
        }
    }

    /// The bus has acknowledged a manifest.
    pub fn manifest_stored(&mut self, manifest: &Manifest, now: UnixMillis) -> Vec<Passed> {
        let Some(device) = self.devices.find(&manifest.device) else {
            return vec![];
        };
        let lines = manifest.deployments.iter();
        lines
            .filter_map(|(reference, revision)| {
                let slot = self.deployments.find(reference)?;
                let progress = &mut self.deployments.get_mut(slot)?.progress;
                progress.pass(Stage::Written, device, *revision, now)
            })
            .collect()
    }

    /// A Deployment changed, and gave these devices this revision.
    pub(super) fn begin_progress(
        &mut self,
        slot: u32,
        revision: Revision,
        given: RoaringBitmap,
        now: UnixMillis,
    ) {
        if !self.measured {
            return;
        }
        let heard = given - &self.liveness.stale;
        if let Some(record) = self.deployments.get_mut(slot) {
            record.progress.begin(revision, heard, now);
        }
    }

    pub(super) fn report_progress(
        &mut self,
        device: u32,
        deployment: u32,
        report: &Report,
        now: UnixMillis,
        dirty: &mut Dirty,
    ) {
        let Some(record) = self.deployments.get_mut(deployment) else {
            return;
        };
        let progress = &mut record.progress;
        let reported = progress.pass(Stage::Reported, device, report.revision, now);
        dirty.passed.extend(reported);
        if matches!(report.phase, Phase::Running | Phase::Completed) {
            let applied = progress.pass(Stage::Applied, device, report.revision, now);
            dirty.passed.extend(applied);
        }
    }
}
