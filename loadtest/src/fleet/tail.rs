//! Groups from one device to all of them, with a heavy tail, that overlap as they happen to.
//!
//! Sizes are Pareto's with exponent 1/2, cut off at the whole fleet: of `n` devices, a group has more than
//! `x` with a chance of about `1 / sqrt(x)`. Half of the groups have four devices or fewer, one in a
//! hundred has a quarter of ten thousand, and the mean is `sqrt(n)`. They are not drawn but taken at even
//! steps of the distribution, so that fleets of different seeds differ in who is where and not in how
//! much there is to do. Members are drawn, for each group by itself.

use std::collections::BTreeMap;

/// The mean number of groups of a device at most. The platform takes 64 labels of one.
const GROUPS_PER_DEVICE: f64 = 20.0;
/// What a device says of a group that it is in.
const MEMBER: &str = "member";

/// The label of one group.
pub(super) fn label(group: usize) -> (String, String) {
    (format!("group-{group:04}"), MEMBER.to_owned())
}

/// How many groups there are for so many Deployments: one for each, unless a device would then be in too
/// many.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "numbers of devices are far below 2^52"
)]
pub(super) fn groups(devices: usize, deployments: usize) -> usize {
    let most = (GROUPS_PER_DEVICE * (devices as f64).sqrt()) as usize;
    deployments.clamp(1, most.max(1))
}

/// The labels of all devices.
pub(super) fn labels(
    random: &mut fastrand::Rng,
    devices: usize,
    groups: usize,
) -> Vec<BTreeMap<String, String>> {
    let mut all = vec![BTreeMap::new(); devices];
    for group in 0..groups {
        let members = random.choose_multiple(0..devices, size(group, groups, devices));
        for device in members {
            all[device].extend([label(group)]);
        }
    }
    all
}

/// How many devices a group has: the first has all of them, the last has one.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "numbers of devices and groups are far below 2^52"
)]
fn size(group: usize, groups: usize, devices: usize) -> usize {
    if group == 0 {
        return devices;
    }
    let part = 1.0 - (group as f64 + 0.5) / groups as f64;
    let cut = 1.0 - (devices as f64).powf(-0.5);
    let size = (1.0 - part * cut).powi(-2);
    (size as usize).clamp(1, devices)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_go_from_one_device_to_all_and_most_are_small() {
        let sizes: Vec<_> = (0..1_000).map(|n| size(n, 1_000, 10_000)).collect();
        assert!(sizes.is_sorted_by(|one, next| one >= next));
        assert_eq!((sizes[0], sizes[999]), (10_000, 1));
        // The median, what one in a hundred exceeds, and the sum: a hundred for each.
        assert!((3..=4).contains(&sizes[500]), "{}", sizes[500]);
        assert!((2_000..=3_000).contains(&sizes[10]), "{}", sizes[10]);
        let sum: usize = sizes.iter().sum();
        assert!((90_000..=120_000).contains(&sum), "{sum}");
        assert_eq!(size(0, 1, 1), 1);
    }

    #[test]
    fn no_device_is_in_more_groups_than_the_platform_takes_labels() {
        for (devices, deployments) in [(1, 1_000), (20, 1_000), (100, 1_000), (10_000, 1_000)] {
            let groups = groups(devices, deployments);
            let labels = labels(&mut fastrand::Rng::with_seed(3), devices, groups);
            let most = labels.iter().map(BTreeMap::len).max();
            assert!(most <= Some(64), "{devices} devices: {most:?}");
        }
    }
}
