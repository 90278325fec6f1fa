//! The document of a dirty key, and what its write changes in what is known.

use std::time::Duration;

use fleet_api::{DeploymentStatus, DeviceStatus, FINALIZER};
use fleet_contracts::payload::Inventory;
use fleet_contracts::{DeploymentRef, DeviceId, UnixMillis};

use super::{Replica, Telling};
use crate::labels::Labels;
use crate::mirror::{Plan, PlanError};
use crate::status::{
    Event, conditions, deployment_status, device_conditions, event, ready, time, unready,
};

/// What to do to our finalizer on a Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinalizerStep {
    /// Put it on this object.
    Add {
        /// `metadata.uid`.
        uid: String,
    },
    /// Take it off this object, if it still is where it was seen.
    Remove {
        /// `metadata.uid`.
        uid: String,
        /// Its place in the list.
        position: usize,
    },
}

/// The status of a Deployment to write.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedStatus {
    /// Of which object: a status must not land on a successor of the same name.
    pub uid: String,
    /// The status.
    pub status: DeploymentStatus,
    /// What to tell people.
    pub event: Option<Event>,
    /// It is ready now, and was not for this long.
    pub unready: Option<Duration>,
    /// What was told of the object when this was worked out.
    pub told: Telling,
}

/// The status of a Device to write.
#[derive(Debug, Clone, PartialEq)]
pub struct WantedDeviceStatus {
    /// The status.
    pub status: DeviceStatus,
    /// What was told of the object when this was worked out.
    pub told: Telling,
}

/// A `Device` object as the device's own words make it.
#[derive(Debug, Clone, PartialEq)]
pub struct DeviceObject {
    /// The labels that are the device's.
    pub labels: Labels,
    /// The value of [`APPLIED_ANNOTATION`](crate::replica::APPLIED_ANNOTATION).
    pub digest: String,
    /// What the machine is.
    pub inventory: Inventory,
}

impl Replica {
    /// The writes that make `desired-state` of a device what it should be.
    pub fn desired_plan(&self, device: &DeviceId, wall: UnixMillis) -> Result<Plan, PlanError> {
        let desired = self.index.desired(device);
        self.mirror.plan(device, desired.as_ref(), wall)
    }

    /// After a write of `desired-state`: Deployments that are being deleted may have lost their last
    /// key.
    pub fn let_go(&mut self, now: UnixMillis) {
        let leaving = self.known.leaving.iter();
        let free: Vec<_> = leaving
            .filter(|reference| !self.mirror.names(reference))
            .cloned()
            .collect();
        self.queues.finalizers.mark(free, now);
    }

    /// What to do to the finalizer of a Deployment, if anything.
    pub fn finalizer_step(&self, reference: &DeploymentRef) -> Option<FinalizerStep> {
        let known = self.known.deployments.get(reference)?;
        let position = known.finalizers.iter().position(|f| f == FINALIZER);
        let uid = known.uid.clone();
        match (known.deleting, position) {
            (false, None) => Some(FinalizerStep::Add { uid }),
            (true, Some(position)) => {
                // The index knows of the deletion, and nothing it asked for is left in the stream.
                let view = self.index.view(reference);
                let free = !self.mirror.names(reference)
                    && view.is_some_and(|view| view.tally.matched == 0);
                free.then_some(FinalizerStep::Remove { uid, position })
            }
            _ => None,
        }
    }

    /// Our finalizer is off.
    pub fn finalizer_removed(&mut self, reference: &DeploymentRef) {
        self.known.leaving.remove(reference);
    }

    /// The status of a Deployment as it should be, if it is not.
    pub fn wanted_status(
        &self,
        reference: &DeploymentRef,
        wall: UnixMillis,
    ) -> Option<WantedStatus> {
        let view = self.index.view(reference)?;
        let known = self.known.deployments.get(reference)?;
        if known.uid != view.uid {
            return None;
        }
        let status = deployment_status(&view, &known.status, wall);
        if status == known.status {
            return None;
        }
        let before = ready(&known.status.conditions);
        let unready = unready(before, ready(&status.conditions));
        let event = event(before.map(|c| c.reason.as_str()), &view);
        Some(WantedStatus {
            uid: view.uid,
            status,
            event,
            unready,
            told: known.told,
        })
    }

    /// A status was written.
    pub fn status_written(
        &mut self,
        reference: &DeploymentRef,
        told: Telling,
        new: DeploymentStatus,
    ) {
        if let Some(known) = self.known.deployments.get_mut(reference)
            && known.told == told
        {
            known.status = new;
        }
    }

    /// The `Device` object to apply, if it does not say what the device says.
    pub fn device_object(&self, device: &DeviceId) -> Option<DeviceObject> {
        if self.known.doubted.contains(device) {
            return None;
        }
        let info = self.index.to_apply(device)?;
        let said = self.known.infos.get(device)?;
        Some(DeviceObject {
            labels: info.labels.clone(),
            digest: info.digest.clone(),
            inventory: said.inventory.clone(),
        })
    }

    /// The status of a Device as it should be, if its conditions are not. A heartbeat alone changes
    /// nothing.
    pub fn wanted_device_status(
        &self,
        device: &DeviceId,
        wall: UnixMillis,
    ) -> Option<WantedDeviceStatus> {
        let view = self.index.device_view(device)?;
        let known = self.known.devices.get(device)?;
        let before = &known.conditions;
        let conditions = conditions(&device_conditions(&view), before, None, wall);
        if conditions == *before {
            return None;
        }
        let status = DeviceStatus {
            last_seen: view.last_seen.map(time),
            conditions,
        };
        Some(WantedDeviceStatus {
            status,
            told: known.told,
        })
    }

    /// The status of a Device was written.
    pub fn device_status_written(
        &mut self,
        device: &DeviceId,
        told: Telling,
        status: &DeviceStatus,
    ) {
        if let Some(known) = self.known.devices.get_mut(device)
            && known.told == told
        {
            known.conditions.clone_from(&status.conditions);
        }
    }

    /// Whether nothing is asked of a device that was forgotten: it may have come back since.
    pub fn may_forget(&self, device: &DeviceId) -> bool {
        self.index.desired(device).is_none()
    }
}
