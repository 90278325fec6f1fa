//! What should be so, from the resources alone and by the plainest rules; and what is.

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::{Deployment, Device};
use fleet_bus::{Bus, StoreError};
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{DesiredEntry, Phase};
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, Revision};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt as _};

use crate::book::{Book, outcome};

/// Revisions by Deployment.
pub(crate) type Lines = BTreeMap<DeploymentRef, Revision>;

/// The resources, as the API server holds them.
pub(crate) struct Resources {
    deployments: Vec<Deployment>,
    devices: Vec<Device>,
}

impl Resources {
    pub(crate) async fn read(client: &Client) -> Result<Self, kube::Error> {
        let all = ListParams::default();
        let deployments = Api::<Deployment>::all(client.clone()).list(&all).await?;
        let devices = Api::<Device>::all(client.clone()).list(&all).await?;
        Ok(Self {
            deployments: deployments.items,
            devices: devices.items,
        })
    }

    /// What each device should run. One that is being deleted counts no more.
    pub(crate) fn wanted(&self) -> BTreeMap<DeviceId, Lines> {
        let lines = |device: &Device| {
            let wanted = self.live().filter(|d| matches(d, device));
            wanted
                .map(|d| (reference(d), d.spec.score.revision()))
                .collect()
        };
        self.devices
            .iter()
            .map(|device| (device.name_any().parse().expect("an id"), lines(device)))
            .collect()
    }

    fn live(&self) -> impl Iterator<Item = &Deployment> {
        let alive = |d: &&Deployment| d.metadata.deletion_timestamp.is_none();
        self.deployments.iter().filter(alive)
    }

    /// What is not so; nothing once all has converged. Of the statuses, those of `book`'s devices.
    pub(crate) fn differences(&self, stored: &Stored, book: &Book) -> Vec<String> {
        let mut found = Vec::new();
        if self.live().count() != self.deployments.len() {
            found.push("a Deployment is still being deleted".to_owned());
        }
        let wanted = self.wanted();
        for device in book.devices.keys().filter(|d| !wanted.contains_key(*d)) {
            found.push(format!("{device} has no resource"));
        }
        compare(&mut found, "manifest", &wanted, &stored.manifests);
        let entries = |lines: &BTreeMap<DeviceId, Lines>| -> BTreeMap<EntryKey, Revision> {
            let pairs = lines.iter().flat_map(|(device, lines)| {
                lines.iter().map(move |(deployment, revision)| {
                    let key = EntryKey {
                        device: device.clone(),
                        deployment: deployment.clone(),
                    };
                    (key, *revision)
                })
            });
            pairs.collect()
        };
        compare(&mut found, "entry", &entries(&wanted), &stored.entries);
        let runs: BTreeMap<_, _> = book
            .devices
            .iter()
            .map(|(device, machine)| (device.clone(), machine.running.clone()))
            .collect();
        compare(&mut found, "device", &wanted, &runs);
        found.extend(self.live().filter_map(|d| wrong_status(d, &wanted)));
        found
    }
}

fn compare<K, V>(found: &mut Vec<String>, what: &str, wanted: &BTreeMap<K, V>, is: &BTreeMap<K, V>)
where
    K: Ord + std::fmt::Display,
    V: PartialEq + std::fmt::Debug,
{
    let keys: BTreeSet<_> = wanted.keys().chain(is.keys()).collect();
    for key in keys {
        let (wanted, is) = (wanted.get(key), is.get(key));
        if wanted != is {
            found.push(format!("{what} {key}: {is:?} instead of {wanted:?}"));
        }
    }
}

fn matches(deployment: &Deployment, device: &Device) -> bool {
    let wanted = &deployment.spec.target_selector.match_labels;
    let mut pairs = wanted.iter();
    pairs.all(|(key, value)| device.labels().get(key) == Some(value))
}

fn reference(deployment: &Deployment) -> DeploymentRef {
    let namespace = deployment.namespace().unwrap_or_default();
    let name = deployment.name_any();
    format!("{namespace}.{name}").parse().expect("a reference")
}

fn wrong_status(object: &Deployment, wanted: &BTreeMap<DeviceId, Lines>) -> Option<String> {
    let reference = reference(object);
    let matched: Vec<_> = wanted
        .iter()
        .filter(|(_, lines)| lines.contains_key(&reference))
        .map(|(device, _)| outcome(device, &reference))
        .collect();
    let failed = matched.iter().filter(|p| **p == Phase::Failed).count();
    let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
    let expected = [matched.len(), matched.len() - failed, failed, 0].map(count);
    let status = object.status.clone().unwrap_or_default();
    let a = &status.aggregate;
    let found = [a.matched_device_count, a.succeeded, a.failed, a.pending];
    let is_current = status.observed_generation == object.metadata.generation;
    (found != expected || !is_current).then(|| {
        let age = if is_current { "" } else { ", of an older spec" };
        format!("status of {reference}: {found:?}{age} instead of {expected:?}")
    })
}

/// What `desired-state` holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) manifests: BTreeMap<DeviceId, Lines>,
    pub(crate) entries: BTreeMap<EntryKey, Revision>,
    /// Where each of our keys lies in the stream.
    pub(crate) sequences: BTreeMap<String, u64>,
}

impl Stored {
    /// Keys that are none of ours are left aside: the operator names them and nobody reads them.
    pub(crate) async fn read(bus: &Bus) -> Result<Self, StoreError> {
        let mut all = Self::default();
        for (name, stored) in bus.held(Bucket::DesiredState).await? {
            match name.parse() {
                Ok(DesiredKey::Manifest(device)) => {
                    let manifest = serde_json::from_slice::<Manifest>(&stored.value);
                    let lines = manifest.map(|m| m.deployments).unwrap_or_default();
                    all.manifests.insert(device, lines);
                }
                Ok(DesiredKey::Entry(key)) => {
                    let entry = serde_json::from_slice::<DesiredEntry>(&stored.value);
                    // Of garbage the hash is one that nobody wants.
                    let revision = entry.map(|e| Revision::of(&e.score));
                    if let Ok(revision) = revision {
                        all.entries.insert(key, revision);
                    }
                }
                Err(_) => continue,
            }
            all.sequences.insert(name, stored.sequence);
        }
        Ok(all)
    }
}
