//! How devices fall into groups.

use std::collections::BTreeMap;

/// A kind of group; also the key of its label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// About a thousand devices.
    Region,
    /// About a hundred.
    Site,
    /// About ten.
    Rack,
}

impl Kind {
    /// The label of one group.
    pub(super) fn label(self, value: usize) -> (String, String) {
        let key = match self {
            Self::Region => "region",
            Self::Site => "site",
            Self::Rack => "rack",
        };
        (key.to_owned(), format!("{key}-{value}"))
    }
}

/// How many groups there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Groups {
    regions: usize,
    sites: usize,
    racks: usize,
}

/// Every twentieth Deployment is for a region, which is why there are no more regions than those:
/// each device is to have something to report on.
pub(super) fn plan(devices: usize, deployments: usize) -> Groups {
    let of_size = |size: usize| (devices / size).max(1);
    Groups {
        regions: of_size(1_000).min(deployments.div_ceil(20)).max(1),
        sites: of_size(100),
        racks: of_size(10),
    }
}

impl Groups {
    /// The group of a Deployment.
    pub(super) fn of(self, deployment: usize) -> (Kind, usize) {
        match deployment % 20 {
            0 => (Kind::Region, (deployment / 20) % self.regions),
            1 | 6 | 11 | 16 => (Kind::Site, (deployment / 5) % self.sites),
            _ => (Kind::Rack, deployment % self.racks),
        }
    }

    /// The labels of the next device.
    pub(super) fn labels(self, random: &mut fastrand::Rng) -> BTreeMap<String, String> {
        let kinds = [
            (Kind::Region, self.regions),
            (Kind::Site, self.sites),
            (Kind::Rack, self.racks),
        ];
        let draw = |(kind, groups): (Kind, usize)| kind.label(uneven(random.f64(), groups));
        kinds.map(draw).into_iter().collect()
    }

    /// The labels of a device that was carried elsewhere: seven of ten only to another rack, two to
    /// another site, one to another region. It may come back to where it was.
    pub(super) fn carried(
        self,
        random: &mut fastrand::Rng,
        labels: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let (kind, groups) = match random.u8(0..10) {
            0 => (Kind::Region, self.regions),
            1 | 2 => (Kind::Site, self.sites),
            _ => (Kind::Rack, self.racks),
        };
        let (key, value) = kind.label(uneven(random.f64(), groups));
        let mut labels = labels.clone();
        labels.insert(key, value);
        labels
    }
}

/// A number below `groups`, low ones more often: half of all draws give the first quarter.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "numbers of groups are far below 2^52"
)]
fn uneven(draw: f64, groups: usize) -> usize {
    let at = draw * draw * groups as f64;
    (at as usize).min(groups - 1)
}
