//! What the watches of objects say.

use std::collections::HashSet;
use std::hash::Hash;

use fleet_api::FINALIZER;
use fleet_api::condition::ConditionType;
use fleet_contracts::{DeploymentRef, DeviceId, UnixMillis};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};

use super::{DeploymentKnown, DeviceKnown, Replica, Taken};
use crate::index::{DeviceSeen, Input, Reachability};

/// Holds the digest of the device's words that a `Device` object was last made of.
pub const APPLIED_ANNOTATION: &str = "fleet.nationtech.io/applied";

/// The objects of a kind: a list that ends tells which of those before it are no more.
#[derive(Debug)]
pub struct Roll<K> {
    known: HashSet<K>,
    listed: HashSet<K>,
}

impl<K> Default for Roll<K> {
    fn default() -> Self {
        Self {
            known: HashSet::new(),
            listed: HashSet::new(),
        }
    }
}

impl<K: Ord + Hash + Clone> Roll<K> {
    /// A list begins. What one told that never ended is known all the same.
    pub fn begin(&mut self) {
        self.known.extend(self.listed.drain());
    }

    /// An object is in the list.
    pub fn listed(&mut self, key: K) {
        self.listed.insert(key);
    }

    /// The list has ended: what was known and is not in it.
    pub fn end(&mut self) -> Vec<K> {
        let mut gone: Vec<_> = self.known.difference(&self.listed).cloned().collect();
        gone.sort_unstable();
        self.known = std::mem::take(&mut self.listed);
        gone
    }

    /// An object was made or changed.
    pub fn put(&mut self, key: K) {
        self.known.insert(key);
    }

    /// An object was deleted.
    pub fn deleted(&mut self, key: &K) {
        self.known.remove(key);
    }
}

impl Replica {
    /// Takes note of what a Deployment object says beside its spec.
    pub fn remember(&mut self, reference: &DeploymentRef, known: DeploymentKnown, now: UnixMillis) {
        let held = known.finalizers.iter().any(|f| f == FINALIZER);
        if known.deleting && held {
            self.known.leaving.insert(reference.clone());
        }
        // Held by us, or to be held by us: one write either way.
        if known.deleting == held && self.active {
            self.queues.finalizers.mark([reference.clone()], now);
        }
        let before = self.known.deployments.get(reference);
        let is_another = before.is_some_and(|before| before.status != known.status);
        if is_another && self.active {
            // Not what we wrote: a deposed leader that woke up wrote an old one, or a server forgot ours.
            self.queues.statuses.mark([reference.clone()], now);
        }
        let told = self.known.next_telling();
        let known = DeploymentKnown { told, ..known };
        self.known.deployments.insert(reference.clone(), known);
    }

    /// A Deployment object is no more.
    pub fn deployment_gone(&mut self, reference: &DeploymentRef, now: UnixMillis) -> Taken {
        self.known.deployments.remove(reference);
        self.known.leaving.remove(reference);
        self.apply(Input::DeploymentGone(reference.clone()), now)
    }

    /// A Device object is as given.
    pub fn device_seen(
        &mut self,
        seen: DeviceSeen,
        conditions: Vec<Condition>,
        now: UnixMillis,
    ) -> Taken {
        let device = seen.device.clone();
        let before = self.known.devices.get(&device);
        if self.active && before.is_some_and(|before| before.conditions != conditions) {
            // As with a Deployment.
            self.queues.device_statuses.mark([device.clone()], now);
        }
        let told = self.known.next_telling();
        let known = DeviceKnown { conditions, told };
        self.known.devices.insert(device, known);
        self.apply(Input::Device(seen), now)
    }

    /// A Device object is no more.
    pub fn device_gone(&mut self, device: &DeviceId, now: UnixMillis) -> Taken {
        self.known.devices.remove(device);
        self.known.infos.remove(device);
        self.apply(Input::DeviceGone(device.clone()), now)
    }
}

impl DeviceSeen {
    /// From an object's metadata and conditions. Labels are all that counts; they are there even if
    /// the rest cannot be read.
    pub fn new(device: DeviceId, meta: &ObjectMeta, conditions: &[Condition]) -> Self {
        let annotations = meta.annotations.as_ref();
        Self {
            device,
            labels: meta.labels.clone().unwrap_or_default(),
            applied: annotations.and_then(|a| a.get(APPLIED_ANNOTATION).cloned()),
            reachability: reachability(conditions),
        }
    }
}

/// What the conditions of before a restart say.
fn reachability(conditions: &[Condition]) -> Reachability {
    let found = conditions
        .iter()
        .find(|c| c.type_ == ConditionType::Reachable.as_str());
    match found.map(|c| c.status.as_str()) {
        Some("True") => Reachability::Reachable,
        Some("False") => Reachability::Stale,
        _ => Reachability::Unknown,
    }
}
