//! The current documents, on demand.

use std::collections::BTreeMap;

use fleet_api::Aggregate;
use fleet_contracts::payload::Refusal as DeviceRefusal;
use fleet_contracts::reason::DeviceReason;
use fleet_contracts::{DeploymentRef, DeviceId, Revision, UnixMillis};

use super::FleetIndex;
use super::deployment::DeploymentRecord;
use super::input::{Info, Reachability};
use crate::admit::{Lifecycle, Refusal};
use crate::body::Body;
use crate::labels::Dropped;

/// What one device should run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// The lines of its manifest.
    pub lines: BTreeMap<DeploymentRef, Line>,
    /// The same Deployments, the oldest first.
    pub order: Vec<DeploymentRef>,
}

/// One line of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What to run.
    pub revision: Revision,
    /// The encoded entry; missing when only the bus holds it.
    pub body: Option<Body>,
}

/// How many devices, in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Matched by the selector.
    pub matched: u64,
    /// Of these, run the assigned revision.
    pub succeeded: u64,
    /// Of these, failed at it.
    pub failed: u64,
    /// Of these, did not report on it yet.
    pub pending: u64,
    /// Of these, whatever they reported, are not heard any more.
    pub unreachable: u64,
}

/// The latest failure among the devices that are failed now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailure {
    /// Where.
    pub device: DeviceId,
    /// Why.
    pub reason: DeviceReason,
    /// For people.
    pub message: String,
    /// When the bus took the report in.
    pub at: UnixMillis,
}

/// What a Deployment's status is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Which object: a status must not land on a successor of the same name.
    pub uid: String,
    /// `metadata.generation` of the spec this is about.
    pub generation: i64,
    /// Whether it is being deleted.
    pub lifecycle: Lifecycle,
    /// Why the current spec was not taken.
    pub refusal: Option<Refusal>,
    /// The counts.
    pub tally: Tally,
    /// The latest failure.
    pub last_failure: Option<LastFailure>,
}

/// What a Device's status is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceView {
    /// Whether it is heard.
    pub reachability: Reachability,
    /// The last heartbeat.
    pub last_seen: Option<UnixMillis>,
    /// Labels it sent that cannot be used.
    pub dropped: Vec<Dropped>,
    /// What it refuses.
    pub refusal: Option<DeviceRefusal>,
}

impl FleetIndex {
    /// What a device should run; `None` if there is no such `Device` object: then nothing of it may
    /// be left in `desired-state`.
    pub fn desired(&self, device: &DeviceId) -> Option<Desired> {
        let slot = self.devices.find(device)?;
        let record = self.devices.get(slot)?;
        record.object.as_ref()?;
        let mut desired = Desired::default();
        let mut ages = Vec::new();
        for deployment in &record.assigned {
            let Some((reference, found)) = self.deployments.entry(deployment) else {
                continue;
            };
            let Some((assigned, spec)) = found.assignment(slot).zip(found.spec.as_ref()) else {
                continue;
            };
            let line = Line {
                revision: assigned.revision,
                body: assigned.body.clone(),
            };
            desired.lines.insert(reference.clone(), line);
            ages.push((spec.created, reference));
        }
        ages.sort_unstable();
        desired.order = ages.into_iter().map(|(_, r)| r.clone()).collect();
        Some(desired)
    }

    /// What a Deployment's status is made of; `None` if there is no such object.
    pub fn view(&self, reference: &DeploymentRef) -> Option<View> {
        let record = self.deployments.by_name(reference)?;
        let spec = record.spec.as_ref()?;
        Some(View {
            uid: spec.uid.clone(),
            generation: spec.generation,
            lifecycle: spec.lifecycle,
            refusal: spec.refusal.clone(),
            tally: self.tally(record),
            last_failure: self.last_failure(reference),
        })
    }

    pub(super) fn tally(&self, record: &DeploymentRecord) -> Tally {
        Tally {
            matched: record.matched.len(),
            succeeded: record.succeeded.len(),
            failed: record.failed.len(),
            pending: record.pending.len(),
            unreachable: record.matched.intersection_len(&self.liveness.stale),
        }
    }

    fn last_failure(&self, reference: &DeploymentRef) -> Option<LastFailure> {
        let slot = self.deployments.find(reference)?;
        let (at, device) = self.deployments.get(slot)?.failures.last()?;
        let (device, record) = self.devices.entry(*device)?;
        let report = record.reports.get(&slot)?;
        Some(LastFailure {
            device: device.clone(),
            reason: report.reason.unwrap_or(DeviceReason::Unknown),
            message: report.message.clone(),
            at: *at,
        })
    }

    /// What a Device's status is made of; `None` if there is no such object.
    pub fn device_view(&self, device: &DeviceId) -> Option<DeviceView> {
        let record = self.devices.by_name(device)?;
        record.object.as_ref()?;
        let dropped = record.info.as_ref().map(|info| info.dropped.clone());
        Some(DeviceView {
            reachability: record.life.state,
            last_seen: record.life.heard,
            dropped: dropped.unwrap_or_default(),
            refusal: record.refusal.clone(),
        })
    }

    /// What a device said of itself, if its `Device` object still has to be made to say it.
    pub fn to_apply(&self, device: &DeviceId) -> Option<&Info> {
        let record = self.devices.by_name(device)?;
        record.needs_apply().then_some(record.info.as_ref())?
    }

    /// All devices with an object.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceId> {
        let known = self.devices.iter();
        known.filter_map(|(_, id, record)| record.object.as_ref().map(|_| id))
    }

    /// All devices that said what they are and whose object does not say it yet.
    pub fn devices_to_apply(&self) -> impl Iterator<Item = &DeviceId> {
        let known = self.devices.iter();
        known.filter_map(|(_, id, record)| record.needs_apply().then_some(id))
    }

    /// All Deployments with an object.
    pub fn deployments(&self) -> impl Iterator<Item = &DeploymentRef> {
        let known = self.deployments.iter();
        known.filter_map(|(_, reference, record)| record.spec.as_ref().map(|_| reference))
    }
}

impl Tally {
    /// As the status holds it.
    pub fn aggregate(&self) -> Aggregate {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Aggregate {
            matched_device_count: count(self.matched),
            succeeded: count(self.succeeded),
            failed: count(self.failed),
            pending: count(self.pending),
            unreachable: count(self.unreachable),
            last_error: None,
        }
    }
}
