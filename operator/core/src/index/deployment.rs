use std::collections::{BTreeSet, HashMap};

use fleet_contracts::{Revision, UnixMillis};
use roaring::RoaringBitmap;

use super::class::Class;
use super::progress::Progress;
use crate::admit::{Admitted, Lifecycle, Plan, Refusal};
use crate::body::Body;

/// One Deployment. It exists while its object does, or while reports name it.
#[derive(Debug, Default)]
pub(super) struct DeploymentRecord {
    pub(super) spec: Option<Spec>,
    /// Which revision on which devices; each device is in one of them at most. One revision today;
    /// a rollout will have two for a while.
    pub(super) assigned: Vec<Assigned>,
    pub(super) matched: RoaringBitmap,
    pub(super) succeeded: RoaringBitmap,
    pub(super) failed: RoaringBitmap,
    pub(super) pending: RoaringBitmap,
    /// The failed devices by the time of their report, the latest last.
    pub(super) failures: BTreeSet<(UnixMillis, u32)>,
    failed_at: HashMap<u32, UnixMillis>,
    /// Devices with a report on it, matched or not.
    pub(super) reporters: RoaringBitmap,
    /// How far the last change has come.
    pub(super) progress: Progress,
}

/// The object behind it.
#[derive(Debug)]
pub(super) struct Spec {
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) created: UnixMillis,
    pub(super) lifecycle: Lifecycle,
    /// The last valid plan of this object.
    pub(super) plan: Option<Plan>,
    /// Why the current spec is not that plan.
    pub(super) refusal: Option<Refusal>,
}

impl Spec {
    /// Whether an event brings nothing new: labels, annotations and the status may have changed.
    pub(super) fn is_same(&self, admitted: &Admitted) -> bool {
        self.uid == admitted.uid
            && self.generation == admitted.generation
            && self.lifecycle == admitted.lifecycle
            && self.created == admitted.created
            && match &admitted.plan {
                Ok(plan) => self.refusal.is_none() && self.plan.as_ref() == Some(plan),
                Err(refusal) => self.refusal.as_ref() == Some(refusal),
            }
    }
}

#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) revision: Revision,
    /// Missing when only the bus still holds the body.
    pub(super) body: Option<Body>,
    pub(super) devices: RoaringBitmap,
}

impl DeploymentRecord {
    pub(super) fn assignment(&self, device: u32) -> Option<&Assigned> {
        self.assigned.iter().find(|a| a.devices.contains(device))
    }

    /// Gives a device a revision; answers whether that changed anything.
    pub(super) fn assign(&mut self, device: u32, revision: Revision, body: Option<&Body>) -> bool {
        let unchanged = self
            .assignment(device)
            .is_some_and(|a| a.revision == revision);
        if unchanged {
            return false;
        }
        self.unassign(device);
        match self.assigned.iter_mut().find(|a| a.revision == revision) {
            Some(assigned) => {
                assigned.devices.insert(device);
                if assigned.body.is_none() {
                    assigned.body = body.cloned();
                }
            }
            None => self.assigned.push(Assigned {
                revision,
                body: body.cloned(),
                devices: [device].into_iter().collect(),
            }),
        }
        self.matched.insert(device);
        true
    }

    /// Takes note of the body of a revision that devices have been given without; answers whether that is news.
    pub(super) fn learn(&mut self, revision: Revision, body: &Body) -> bool {
        let mut assigned = self.assigned.iter_mut();
        let lacking = assigned.find(|a| a.revision == revision && a.body.is_none());
        lacking.map(|a| a.body = Some(body.clone())).is_some()
    }

    /// Takes a device out; answers whether it was in.
    pub(super) fn unassign(&mut self, device: u32) -> bool {
        for assigned in &mut self.assigned {
            assigned.devices.remove(device);
        }
        self.assigned.retain(|a| !a.devices.is_empty());
        self.declassify(device);
        self.progress.forget(device);
        self.matched.remove(device)
    }

    /// Counts a device; answers whether a count or the last failure may have changed.
    pub(super) fn count(&mut self, device: u32, class: Class, at: UnixMillis) -> bool {
        let set = match class {
            Class::Succeeded => &self.succeeded,
            Class::Failed => &self.failed,
            Class::Pending => &self.pending,
        };
        let unchanged = set.contains(device)
            && (class != Class::Failed || self.failures.contains(&(at, device)));
        if unchanged {
            return false;
        }
        self.declassify(device);
        match class {
            Class::Succeeded => self.succeeded.insert(device),
            Class::Pending => self.pending.insert(device),
            Class::Failed => {
                self.failures.insert((at, device));
                self.failed_at.insert(device, at);
                self.failed.insert(device)
            }
        }
    }

    fn declassify(&mut self, device: u32) {
        self.succeeded.remove(device);
        self.pending.remove(device);
        self.failed.remove(device);
        if let Some(at) = self.failed_at.remove(&device) {
            self.failures.remove(&(at, device));
        }
    }

    /// Whether nothing refers to it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.spec.is_none() && self.reporters.is_empty() && self.matched.is_empty()
    }
}
