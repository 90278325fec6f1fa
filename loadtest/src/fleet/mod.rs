//! Which devices, groups and Deployments there are. The same parameters give the same fleet.
//!
//! Groups have very different sizes and overlap: each device is in a region (about a thousand devices),
//! a site (about a hundred) and a rack (about ten), drawn independently of each other, and low numbers
//! are drawn more often than high ones. A Deployment selects one of these groups. Where how varied sizes
//! are is what matters, there are other groups: see `tail`.

mod census;
mod containers;
mod group;
mod tail;
mod truth;

use std::collections::BTreeMap;

use fleet_api::{Deployment, DeploymentSpec, TargetSelector};
use fleet_contracts::{DeploymentRef, DeviceId, ReconcileScore, Revision};
use serde_json::json;

use crate::Error;
pub use census::{Census, Move, Turn};
use group::Groups;
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
    groups: Groups,
}

impl Fleet {
    /// The fleet of these sizes that belongs to a seed.
    ///
    /// # Errors
    /// When a name that it makes breaks the platform's rules.
    pub fn new(devices: usize, deployments: usize, seed: u64) -> Result<Self, Error> {
        let mut random = fastrand::Rng::with_seed(seed);
        let groups = group::plan(devices, deployments);
        let labels = (0..devices).map(|_| groups.labels(&mut random)).collect();
        let selected = (0..deployments).map(|number| {
            let (kind, value) = groups.of(number);
            kind.label(value)
        });
        Self::assemble(groups, labels, selected.collect())
    }

    /// The same with groups from one device to all of them.
    ///
    /// # Errors
    /// When a name that it makes breaks the platform's rules.
    pub fn with_tail(devices: usize, deployments: usize, seed: u64) -> Result<Self, Error> {
        let mut random = fastrand::Rng::with_seed(seed);
        let groups = tail::groups(devices, deployments);
        let labels = tail::labels(&mut random, devices, groups);
        let selected = (0..deployments).map(|number| tail::label(number % groups));
        let places = group::plan(devices, deployments);
        Self::assemble(places, labels, selected.collect())
    }

    fn assemble(
        groups: Groups,
        labels: Vec<BTreeMap<String, String>>,
        selected: Vec<(String, String)>,
    ) -> Result<Self, Error> {
        let mut by_label: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (number, label) in selected.iter().enumerate() {
            by_label.entry(label.clone()).or_default().push(number);
        }
        let workloads = selected.into_iter().enumerate();
        let mut workloads = workloads
            .map(|(number, label)| workload(number, label))
            .collect::<Result<Vec<_>, _>>()?;
        let (mut all, mut pairs) = (Vec::with_capacity(labels.len()), Vec::new());
        for (number, labels) in labels.into_iter().enumerate() {
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
            groups,
        })
    }

    /// What a device says that was carried elsewhere.
    pub fn carried(
        &self,
        random: &mut fastrand::Rng,
        labels: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        self.groups.carried(random, labels)
    }

    /// The devices that a connection of several speaks for.
    pub fn share(&self, lane: usize, lanes: usize) -> impl Iterator<Item = usize> + use<> {
        (lane..self.devices.len()).step_by(lanes.max(1))
    }
}

impl Workload {
    /// As it is applied.
    pub fn object(&self) -> Deployment {
        object(&self.reference, &self.label, &self.score)
    }
}

fn object(
    reference: &DeploymentRef,
    (key, value): &(String, String),
    score: &ReconcileScore,
) -> Deployment {
    let spec = DeploymentSpec {
        target_selector: TargetSelector {
            match_labels: BTreeMap::from([(key.clone(), value.clone())]),
            ..TargetSelector::default()
        },
        target_all: false,
        score: score.clone(),
    };
    Deployment::new(reference.name.as_ref(), spec)
}

fn workload(number: usize, label: (String, String)) -> Result<Workload, Error> {
    let score = version(number, 1)?;
    Ok(Workload {
        reference: reference(number)?,
        label,
        revision: score.revision(),
        pairs: Vec::new(),
        score,
    })
}

/// The Deployment of this number.
fn reference(number: usize) -> Result<DeploymentRef, Error> {
    parsed(&format!("{NAMESPACE}.load-{number:05}"))
}

/// The number of the Deployment of this name.
fn number(name: &str) -> Option<usize> {
    name.strip_prefix("load-")?.parse().ok()
}

/// What the Deployment of this number has devices run.
fn version(number: usize, version: u32) -> Result<ReconcileScore, Error> {
    score(&format!("registry.invalid/load/app-{number}:v{version}"))
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

    #[test]
    fn a_fleet_with_a_tail_has_a_deployment_for_one_and_one_for_all() {
        let fleet = Fleet::with_tail(300, 40, 7).unwrap_or_else(|error| unreachable!("{error}"));
        let sizes: Vec<_> = fleet.workloads.iter().map(|w| w.pairs.len()).collect();
        assert_eq!((sizes[0], sizes[39]), (300, 1));
        assert_eq!(sizes.iter().sum::<usize>(), fleet.pairs.len());
    }
}
