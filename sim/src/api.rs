//! The API server: objects with uids, generations and finalizers, and a Lease.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet_api::{
    Deployment, DeploymentSpec, DeploymentStatus, Device, DeviceSpec, DeviceStatus, FINALIZER,
};
use fleet_contracts::{DeploymentRef, DeviceId, UnixMillis};
use fleet_lease::Record;
use fleet_operator_core::replica::{APPLIED_ANNOTATION, DeviceObject};
use fleet_operator_core::status::time;

/// An object changed.
#[derive(Debug, Clone)]
pub enum Change {
    /// It is as given.
    Deployment(Arc<Deployment>),
    /// It is no more.
    DeploymentGone(DeploymentRef),
    /// It is as given.
    Device(Arc<Device>),
    /// It is no more.
    DeviceGone(DeviceId),
}

/// Why a request was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such object.
    Missing,
    /// It is another object, or was changed since.
    Conflict,
}

/// What is there.
#[derive(Debug, Default)]
pub struct Api {
    /// Deployments.
    pub deployments: BTreeMap<DeploymentRef, Arc<Deployment>>,
    /// Devices.
    pub devices: BTreeMap<DeviceId, Arc<Device>>,
    /// The Lease.
    pub lease: Option<Record>,
    /// The labels of Devices that are the operator's.
    managed: BTreeMap<DeviceId, BTreeSet<String>>,
    made: u64,
}

impl Api {
    fn uid(&mut self) -> String {
        self.made += 1;
        format!("uid-{}", self.made)
    }

    /// Creates a Deployment, or gives it another spec.
    pub fn apply(&mut self, reference: &DeploymentRef, spec: DeploymentSpec, now: u64) -> Change {
        let mut object = if let Some(object) = self.deployments.get(reference) {
            Deployment::clone(object)
        } else {
            let mut object = Deployment::new(reference.name.as_str(), spec.clone());
            object.metadata.namespace = Some(reference.namespace.to_string());
            object.metadata.uid = Some(self.uid());
            object.metadata.generation = Some(0);
            object.metadata.creation_timestamp = Some(time(UnixMillis(now)));
            object
        };
        object.spec = spec;
        object.metadata.generation = object.metadata.generation.map(|g| g + 1);
        self.store(reference, object)
    }

    /// Deletes a Deployment: at once, or as soon as its finalizer is off.
    pub fn delete(&mut self, reference: &DeploymentRef, now: u64) -> Option<Change> {
        let mut object = Deployment::clone(self.deployments.get(reference)?);
        if !is_held(&object) {
            self.deployments.remove(reference);
            return Some(Change::DeploymentGone(reference.clone()));
        }
        if object.metadata.deletion_timestamp.is_some() {
            return None;
        }
        object.metadata.deletion_timestamp = Some(time(UnixMillis(now)));
        object.metadata.generation = object.metadata.generation.map(|g| g + 1);
        Some(self.store(reference, object))
    }

    fn store(&mut self, reference: &DeploymentRef, object: Deployment) -> Change {
        let object = Arc::new(object);
        self.deployments
            .insert(reference.clone(), Arc::clone(&object));
        Change::Deployment(object)
    }

    fn found(&self, reference: &DeploymentRef, uid: &str) -> Result<Deployment, Refusal> {
        let object = self.deployments.get(reference).ok_or(Refusal::Missing)?;
        if object.metadata.uid.as_deref() == Some(uid) {
            Ok(Deployment::clone(object))
        } else {
            Err(Refusal::Conflict)
        }
    }

    /// Puts the finalizer on. Not on what is being deleted.
    pub fn hold(&mut self, reference: &DeploymentRef, uid: &str) -> Result<Change, Refusal> {
        let mut object = self.found(reference, uid)?;
        if object.metadata.deletion_timestamp.is_some() {
            return Err(Refusal::Conflict);
        }
        object.metadata.finalizers = Some(vec![FINALIZER.to_owned()]);
        Ok(self.store(reference, object))
    }

    /// Takes the finalizer off.
    pub fn release(&mut self, reference: &DeploymentRef, uid: &str) -> Result<Change, Refusal> {
        let mut object = self.found(reference, uid)?;
        if !is_held(&object) {
            return Err(Refusal::Conflict);
        }
        object.metadata.finalizers = None;
        if object.metadata.deletion_timestamp.is_some() {
            self.deployments.remove(reference);
            return Ok(Change::DeploymentGone(reference.clone()));
        }
        Ok(self.store(reference, object))
    }

    /// Replaces the status of a Deployment.
    pub fn set_status(
        &mut self,
        reference: &DeploymentRef,
        uid: &str,
        status: DeploymentStatus,
    ) -> Result<Change, Refusal> {
        let mut object = self.found(reference, uid)?;
        object.status = Some(status);
        Ok(self.store(reference, object))
    }

    /// Makes a Device say what the device says; labels of people stay.
    pub fn apply_device(&mut self, device: &DeviceId, wanted: &DeviceObject) -> Change {
        let mut object = if let Some(object) = self.devices.get(device) {
            Device::clone(object)
        } else {
            let mut object = Device::new(
                device.as_str(),
                DeviceSpec {
                    inventory: wanted.inventory.clone(),
                },
            );
            object.metadata.uid = Some(self.uid());
            object
        };
        let managed = wanted.labels.keys().cloned().collect();
        let before = self.managed.insert(device.clone(), managed);
        let labels = object.metadata.labels.get_or_insert_default();
        labels.retain(|key, _| !before.iter().any(|before| before.contains(key)));
        labels.extend(wanted.labels.clone());
        let annotations = object.metadata.annotations.get_or_insert_default();
        annotations.insert(APPLIED_ANNOTATION.to_owned(), wanted.digest.clone());
        object.spec.inventory = wanted.inventory.clone();
        self.store_device(device, object)
    }

    /// Replaces the status of a Device.
    pub fn set_device_status(
        &mut self,
        device: &DeviceId,
        status: DeviceStatus,
    ) -> Result<Change, Refusal> {
        let object = self.devices.get(device).ok_or(Refusal::Missing)?;
        let mut object = Device::clone(object);
        object.status = Some(status);
        Ok(self.store_device(device, object))
    }

    /// Somebody sets a label of a Device, or takes it off.
    pub fn label(&mut self, device: &DeviceId, key: &str, value: Option<&str>) -> Option<Change> {
        let mut object = Device::clone(self.devices.get(device)?);
        let labels = object.metadata.labels.get_or_insert_default();
        match value {
            Some(value) => labels.insert(key.to_owned(), value.to_owned()),
            None => labels.remove(key),
        };
        Some(self.store_device(device, object))
    }

    /// Somebody deletes a Device.
    pub fn forget(&mut self, device: &DeviceId) -> Option<Change> {
        self.devices.remove(device)?;
        self.managed.remove(device);
        Some(Change::DeviceGone(device.clone()))
    }

    fn store_device(&mut self, device: &DeviceId, object: Device) -> Change {
        let object = Arc::new(object);
        self.devices.insert(device.clone(), Arc::clone(&object));
        Change::Device(object)
    }

    /// Writes the Lease, if it still is the one that was read.
    pub fn write_lease(&mut self, record: Record, read: Option<&Record>) -> Result<(), Refusal> {
        let version = |record: Option<&Record>| record.map(|record| record.version.clone());
        if version(self.lease.as_ref()) != version(read) {
            return Err(Refusal::Conflict);
        }
        self.made += 1;
        self.lease = Some(Record {
            version: self.made.to_string(),
            ..record
        });
        Ok(())
    }
}

fn is_held(object: &Deployment) -> bool {
    let finalizers = object.metadata.finalizers.iter().flatten();
    finalizers.into_iter().any(|f| f == FINALIZER)
}
