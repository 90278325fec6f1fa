use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use fleet_api::DeploymentStatus;
use fleet_contracts::payload::DeviceInfo;
use fleet_contracts::{DeploymentRef, DeviceId};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};

use crate::claims::Enrolments;

/// What the objects say now, as the watches told it.
#[derive(Debug, Default)]
pub struct Known {
    /// Of Deployments.
    pub deployments: HashMap<DeploymentRef, DeploymentKnown>,
    /// Of Devices.
    pub devices: HashMap<DeviceId, DeviceKnown>,
    /// What devices say they are.
    pub infos: HashMap<DeviceId, Arc<DeviceInfo>>,
    /// Of these it is what they said before the bucket was lost. They may have said something else since,
    /// which another replica heard: no `Device` object is changed by it before they say it again.
    pub doubted: BTreeSet<DeviceId>,
    /// What of it they may say.
    pub enrolments: Enrolments,
    /// Deployments that are being deleted and still have our finalizer.
    pub leaving: BTreeSet<DeploymentRef>,
    pub(super) told: Telling,
}

/// Counts what watches told of objects. An answer to our own patch tells what the object was like
/// then; a watch that told of it meanwhile may know better, for somebody can have patched it after
/// us. If it does not know better yet, the echo of our patch is still to come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Telling(u64);

/// Of one Device.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeviceKnown {
    /// The conditions in its status.
    pub conditions: Vec<Condition>,
    /// When it was told of last.
    pub(super) told: Telling,
}

/// Of one Deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DeploymentKnown {
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.generation`.
    pub generation: i64,
    /// `metadata.finalizers`.
    pub finalizers: Vec<String>,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Its status.
    pub status: DeploymentStatus,
    /// When it was told of last.
    pub(super) told: Telling,
}

impl DeploymentKnown {
    /// From an object's metadata, and its status if that could be read.
    pub fn new(meta: &ObjectMeta, status: Option<DeploymentStatus>) -> Self {
        Self {
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            status: status.unwrap_or_default(),
            told: Telling::default(),
        }
    }

    /// Whether an object is the same one, with the same spec and in the same stage of its life.
    fn is_same_as(&self, meta: &ObjectMeta) -> bool {
        Some(&self.uid) == meta.uid.as_ref()
            && Some(self.generation) == meta.generation
            && self.deleting == meta.deletion_timestamp.is_some()
    }
}

impl Known {
    pub(super) const fn next_telling(&mut self) -> Telling {
        self.told.0 += 1;
        self.told
    }

    /// Whether the index was told of this generation of this object already: mostly the echo of our
    /// own status, in which there is nothing for the index.
    pub fn has(&self, reference: &DeploymentRef, meta: &ObjectMeta) -> bool {
        let known = self.deployments.get(reference);
        known.is_some_and(|known| known.is_same_as(meta))
    }
}
