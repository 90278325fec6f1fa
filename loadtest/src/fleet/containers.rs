//! What runs where, and how often it was started.

use std::collections::BTreeMap;

use crate::device::What;

/// The containers of all devices, by number of their Deployment. Each has one service.
#[derive(Debug)]
pub(super) struct Containers {
    of: Vec<BTreeMap<usize, Pair>>,
}

/// A Deployment on a device, now or before.
#[derive(Debug, Default, Clone, Copy)]
struct Pair {
    /// The version that runs, if any does.
    runs: Option<u32>,
    /// How often there was a reason to start a container.
    wanted: u32,
    /// How often one was started.
    started: u32,
}

impl Containers {
    /// Nothing runs.
    pub(super) fn new(devices: usize) -> Self {
        let of = vec![BTreeMap::new(); devices];
        Self { of }
    }

    /// From now on there is a reason to start a container.
    pub(super) fn want(&mut self, device: usize, deployment: usize) {
        self.of[device].entry(deployment).or_default().wanted += 1;
    }

    /// A device did something.
    pub(super) fn did(&mut self, device: usize, what: &What) {
        match what {
            What::Runs(image) => {
                let Some((deployment, version)) = read_image(image) else {
                    return;
                };
                let pair = self.of[device].entry(deployment).or_default();
                pair.runs = Some(version);
                pair.started += 1;
            }
            What::Removed(name) => {
                let Some(deployment) = super::number(name) else {
                    return;
                };
                self.of[device].entry(deployment).or_default().runs = None;
            }
            What::Connected | What::Told => {}
        }
    }

    /// Deployments with the versions of them that run on a device.
    pub(super) fn running(&self, device: usize) -> BTreeMap<usize, u32> {
        let all = self.of[device].iter();
        all.filter_map(|(number, pair)| Some((*number, pair.runs?)))
            .collect()
    }

    /// The pairs of device and Deployment of which more containers were started than there was reason to.
    pub(super) fn restarted(&self) -> Vec<(usize, usize)> {
        let all = self.of.iter().enumerate();
        let all = all.flat_map(|(device, pairs)| pairs.iter().map(move |(n, p)| (device, *n, p)));
        all.filter(|(_, _, pair)| pair.started > pair.wanted)
            .map(|(device, deployment, _)| (device, deployment))
            .collect()
    }
}

/// The Deployment and its version that an image is of.
fn read_image(image: &str) -> Option<(usize, u32)> {
    let (_, name) = image.rsplit_once("/app-")?;
    let (number, version) = name.split_once(":v")?;
    Some((number.parse().ok()?, version.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(version: u32) -> What {
        What::Runs(format!("registry.invalid/load/app-7:v{version}"))
    }

    #[test]
    fn a_start_without_a_reason_is_found() {
        let mut containers = Containers::new(2);
        containers.want(1, 7);
        containers.did(1, &runs(1));
        assert_eq!(containers.running(1), BTreeMap::from([(7, 1)]));
        containers.want(1, 7);
        containers.did(1, &What::Removed("load-00007".to_owned()));
        assert_eq!(containers.running(1), BTreeMap::new());
        containers.did(1, &runs(2));
        assert_eq!(containers.restarted(), []);
        containers.did(1, &runs(2));
        assert_eq!(containers.restarted(), [(1, 7)]);
    }
}
