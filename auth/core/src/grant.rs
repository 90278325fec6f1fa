//! What a device gets, and until when.

use fleet_contracts::permission::MAX_SUBSCRIPTIONS;
use fleet_contracts::{DeviceId, Permissions};

use crate::policy::{DevicePolicy, OnClone};

/// What a device's connection may use. The server knows "unlimited", which is never granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Subscriptions at the same time.
    pub subscriptions: u32,
    /// Bytes of one message.
    pub payload: u32,
}

/// The most that any device gets; its policy may give less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caps {
    /// Of one connection.
    pub limits: Limits,
    /// Seconds until it has to log in again.
    pub lifetime: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self {
            limits: Limits {
                subscriptions: u32::try_from(MAX_SUBSCRIPTIONS).unwrap_or(u32::MAX),
                // Above the largest value that a device may store, far below what would hurt.
                payload: 256 * 1024,
            },
            // Longer than an identity provider's token of minutes, so that the token decides.
            lifetime: 3600,
        }
    }
}

/// What one login may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// The device.
    pub device: DeviceId,
    /// Its subjects, and no others.
    pub permissions: Permissions,
    /// Its limits.
    pub limits: Limits,
    /// When it has to log in again, in seconds since 1970.
    pub expires: u64,
    /// What the device's policy says about clones.
    pub on_clone: Option<OnClone>,
}

/// The part of a lifetime over which ends are spread: one in this many seconds.
const JITTER: u64 = 10;

/// The end of a grant: the earliest of token, policy and cap, and up to a tenth of what is left
/// before that, so that devices which came together do not come back together. `entropy` is any
/// random number. None if nothing is left.
pub(crate) fn end(
    token: u64,
    policy: &DevicePolicy,
    caps: &Caps,
    now: u64,
    entropy: u64,
) -> Option<u64> {
    let lifetime = policy
        .max_lifetime
        .map_or(caps.lifetime, |own| own.min(caps.lifetime));
    let left = token.saturating_sub(now).min(lifetime);
    let early = entropy % (left / JITTER + 1);
    // `early` is less than `left` unless both are 0.
    (left > 0).then(|| now.saturating_add(left - early))
}

pub(crate) fn limits(policy: &DevicePolicy, caps: Limits) -> Limits {
    let least = |own: Option<u32>, cap: u32| own.map_or(cap, |own| own.min(cap));
    Limits {
        subscriptions: least(policy.max_subscriptions, caps.subscriptions),
        payload: least(policy.max_payload, caps.payload),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lives(max_lifetime: u64) -> DevicePolicy {
        DevicePolicy {
            max_lifetime: Some(max_lifetime),
            ..DevicePolicy::default()
        }
    }

    #[test]
    fn the_earliest_of_token_policy_and_cap_ends_a_grant() {
        let caps = Caps {
            lifetime: 300,
            ..Caps::default()
        };
        let free = DevicePolicy::default();
        assert_eq!(end(1100, &free, &caps, 1000, 0), Some(1100));
        assert_eq!(end(9000, &free, &caps, 1000, 0), Some(1300));
        assert_eq!(end(9000, &lives(60), &caps, 1000, 0), Some(1060));
        assert_eq!(end(9000, &lives(600), &caps, 1000, 0), Some(1300));
        assert_eq!(end(1000, &free, &caps, 1000, 0), None);
        assert_eq!(end(9000, &lives(0), &caps, 1000, 0), None);
    }

    #[test]
    fn ends_are_spread_over_the_last_tenth() {
        let free = DevicePolicy::default();
        let ends: Vec<_> = (0..500)
            .filter_map(|entropy| end(1600, &free, &Caps::default(), 1000, entropy))
            .collect();
        assert_eq!(ends.iter().min(), Some(&1540));
        assert_eq!(ends.iter().max(), Some(&1600));
    }

    #[test]
    fn a_policy_lowers_limits_and_never_raises_them() {
        let caps = Caps::default().limits;
        let policy = DevicePolicy {
            max_subscriptions: Some(5),
            max_payload: Some(u32::MAX),
            ..DevicePolicy::default()
        };
        let expected = Limits {
            subscriptions: 5,
            payload: caps.payload,
        };
        assert_eq!(limits(&policy, caps), expected);
    }
}
