//! All that is known of one Deployment on one device.

use fleet_api::trace::Unmet;
use fleet_contracts::payload::Refusal as DeviceRefusal;
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Revision, UnixMillis};

use super::FleetIndex;
use super::deployment::Spec;
use super::device::Object;
use super::input::{Reachability, Report};
use crate::admit::{Lifecycle, Refusal};

/// A Deployment, as far as one device is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// Whether it is being deleted.
    pub lifecycle: Lifecycle,
    /// Why the current spec was not taken.
    pub refusal: Option<Refusal>,
    /// The revision of the last spec that was.
    pub revision: Option<Revision>,
    /// When that revision was given out, if this replica saw it happen.
    pub since: Option<UnixMillis>,
    /// The device; none if there is no such object.
    pub device: Option<PairDevice>,
}

/// The device of a [`Pair`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairDevice {
    /// What it should run.
    pub assigned: Option<Revision>,
    /// The rules of the selector that its labels do not meet.
    pub unmet: Vec<Unmet>,
    /// Whether it is heard.
    pub reachability: Reachability,
    /// The last heartbeat.
    pub last_seen: Option<UnixMillis>,
    /// The manifest that it follows, as of that heartbeat.
    pub follows: Option<Generation>,
    /// What it refuses.
    pub refusal: Option<DeviceRefusal>,
    /// What it reported.
    pub report: Option<Report>,
}

impl FleetIndex {
    /// All that is known of a Deployment on a device; `None` if there is no such Deployment.
    pub fn pair(&self, reference: &DeploymentRef, device: &DeviceId) -> Option<Pair> {
        let slot = self.deployments.find(reference)?;
        let record = self.deployments.get(slot)?;
        let spec = record.spec.as_ref()?;
        let revision = spec.plan.as_ref().map(|plan| plan.revision);
        Some(Pair {
            uid: spec.uid.clone(),
            generation: spec.generation,
            lifecycle: spec.lifecycle,
            refusal: spec.refusal.clone(),
            revision,
            since: revision.and_then(|revision| record.progress.since(revision)),
            device: self.pair_device(slot, spec, device),
        })
    }

    fn pair_device(&self, slot: u32, spec: &Spec, device: &DeviceId) -> Option<PairDevice> {
        let number = self.devices.find(device)?;
        let record = self.devices.get(number)?;
        let object = record.object.as_ref()?;
        let assigned = self.deployments.get(slot)?.assignment(number);
        Some(PairDevice {
            assigned: assigned.map(|assigned| assigned.revision),
            unmet: unmet(spec, object),
            reachability: record.life.state,
            last_seen: record.life.heard,
            follows: record.follows,
            refusal: record.refusal.clone(),
            report: record.reports.get(&slot).cloned(),
        })
    }
}

fn unmet(spec: &Spec, object: &Object) -> Vec<Unmet> {
    let Some(plan) = &spec.plan else {
        return vec![];
    };
    let unmet = plan.selector.unmet(&object.labels);
    unmet
        .map(|rule| Unmet {
            rule: rule.to_string(),
            label: rule.key().to_owned(),
            found: object.labels.get(rule.key()).cloned(),
        })
        .collect()
}
