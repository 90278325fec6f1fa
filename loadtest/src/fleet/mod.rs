//! Which devices, groups and Deployments there are. The same parameters give the same fleet.
//!
//! Groups have very different sizes and overlap: each device is in a region (about a thousand devices),
//! a site (about a hundred) and a rack (about ten), drawn independently of each other, and low numbers
//! are drawn more often than high ones. A Deployment selects one of these groups.

mod group;
mod truth;

use std::collections::BTreeMap;

use fleet_api::{Deployment, DeploymentSpec, TargetSelector};
use fleet_contracts::{DeploymentRef, DeviceId, ReconcileScore, Revision};
use serde_json::json;

use crate::Error;
use group::Kind;
pub use truth::{Counts, Truth};

/// Where the Deployments are.
pub const NAMESPACE: &str = "default";

/// One simulated device.
#[derive(Debug, Clone)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// What it says of itself.
    pub labels: BTreeMap<String, String>,
    /// Its pairs, as a range of [`Fleet::pairs`].
    pub pairs: std::ops::Range<usize>,
}

/// One Deployment.
#[derive(Debug, Clone)]
pub struct Workload {
    /// Its name.
    pub reference: DeploymentRef,
    /// The one label that it selects.
    pub label: (String, String),
    /// What devices report on.
    pub revision: Revision,
    /// The pairs that are about it, as indices of [`Fleet::pairs`].
    pub pairs: Vec<usize>,
    score: ReconcileScore,
}

/// A Deployment that a device runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Index of [`Fleet::devices`].
    pub device: usize,
    /// Index of [`Fleet::workloads`].
    pub workload: usize,
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Fleet {
    /// The devices.
    pub devices: Vec<Device>,
    /// The Deployments.
    pub workloads: Vec<Workload>,
    /// Who runs what, ordered by device.
    pub pairs: Vec<Pair>,
}

impl Fleet {
    /// The fleet of these sizes that belongs to a seed.
    ///
    /// # Errors
    /// When a name that it makes breaks the platform's rules.
    pub fn new(devices: usize, deployments: usize, seed: u64) -> Result<Self, Error> {
        let mut random = fastrand::Rng::with_seed(seed);
        let groups = group::plan(devices, deployments);
        let mut workloads = (0..deployments)
            .map(|number| workload(number, groups.of(number)))
            .collect::<Result<Vec<_>, _>>()?;
        let mut by_label: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (number, workload) in workloads.iter().enumerate() {
            let entry = by_label.entry(workload.label.clone()).or_default();
            entry.push(number);
        }
        let (mut all, mut pairs) = (Vec::with_capacity(devices), Vec::new());
        for number in 0..devices {
            let labels = groups.labels(&mut random);
            let first = pairs.len();
            for (key, value) in &labels {
                let found = by_label.get(&(key.clone(), value.clone()));
                for &workload in found.into_iter().flatten() {
                    workloads[workload].pairs.push(pairs.len());
                    pairs.push(Pair {
                        device: number,
                        workload,
                    });
                }
            }
            all.push(Device {
                id: parsed(&format!("sim-{number:06}"))?,
                labels,
                pairs: first..pairs.len(),
            });
        }
        Ok(Self {
            devices: all,
            workloads,
            pairs,
        })
    }

    /// The devices that a connection of several speaks for.
    pub fn share(&self, lane: usize, lanes: usize) -> impl Iterator<Item = usize> + use<> {
        (lane..self.devices.len()).step_by(lanes.max(1))
    }
}

impl Workload {
    /// As it is applied.
    pub fn object(&self) -> Deployment {
        let (key, value) = self.label.clone();
        let spec = DeploymentSpec {
            target_selector: TargetSelector {
                match_labels: BTreeMap::from([(key, value)]),
                ..TargetSelector::default()
            },
            target_all: false,
            score: self.score.clone(),
        };
        Deployment::new(self.reference.name.as_ref(), spec)
    }
}

fn workload(number: usize, (kind, value): (Kind, usize)) -> Result<Workload, Error> {
    let score = score(&format!("registry.invalid/load/app-{number}:v1"))?;
    Ok(Workload {
        reference: parsed(&format!("{NAMESPACE}.load-{number:05}"))?,
        label: kind.label(value),
        revision: score.revision(),
        pairs: Vec::new(),
        score,
    })
}

/// One service of this image.
///
/// # Errors
/// When the platform has other rules for scores than this program.
pub fn score(image: &str) -> Result<ReconcileScore, Error> {
    let score = json!({"PodmanV0": {"services": [{"name": "web", "image": image}]}});
    serde_json::from_value(score).map_err(|error| Error::Fleet(error.to_string()))
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, Error>
where
    T::Err: std::fmt::Display,
{
    text.parse()
        .map_err(|error: T::Err| Error::Fleet(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(devices: usize, deployments: usize) -> Fleet {
        Fleet::new(devices, deployments, 7).unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn every_device_runs_something_and_selectors_agree_with_pairs() {
        for (devices, deployments) in [(1, 1), (20, 5), (500, 40), (3_000, 300)] {
            let fleet = fleet(devices, deployments);
            assert!(fleet.devices.iter().all(|d| !d.pairs.is_empty()));
            let naive: usize = fleet
                .workloads
                .iter()
                .map(|w| {
                    let (key, value) = &w.label;
                    let matched = |d: &&Device| d.labels.get(key) == Some(value);
                    let count = fleet.devices.iter().filter(matched).count();
                    assert_eq!(count, w.pairs.len(), "{}", w.reference);
                    count
                })
                .sum();
            assert_eq!(naive, fleet.pairs.len());
        }
    }

    #[test]
    fn groups_have_different_sizes_and_a_seed_gives_the_same_fleet() {
        let (one, other) = (fleet(2_000, 200), fleet(2_000, 200));
        let sizes = |fleet: &Fleet| -> Vec<usize> {
            fleet.workloads.iter().map(|w| w.pairs.len()).collect()
        };
        assert_eq!(sizes(&one), sizes(&other));
        let (least, most) = (sizes(&one).into_iter().min(), sizes(&one).into_iter().max());
        assert!(most > least.map(|n| n * 20), "{least:?} to {most:?}");
    }
}
