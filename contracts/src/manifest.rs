//! What one device should run: the signed list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{DeploymentRef, DeviceId};
use crate::revision::Revision;
use crate::time::UnixMillis;

/// The version of [`Manifest`] this crate writes.
pub const SCHEMA_VERSION: u32 = 1;

/// Orders the manifests of one device; it only rises.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation to write after `previous`: one more, or the wall clock in milliseconds if
    /// that is higher, so it rises even after the store was lost.
    #[must_use]
    pub fn next(previous: Option<Self>, now: UnixMillis) -> Self {
        Self(previous.map_or(0, |g| g.0.saturating_add(1)).max(now.0))
    }
}

/// The deployments of one device and their revisions, signed as a whole (see [`crate::signing`]).
///
/// The manifest decides; the entries of `desired-state` are only its bodies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest {
    /// [`SCHEMA_VERSION`] of whoever wrote it.
    pub schema_version: u32,
    /// The device it is for: a manifest copied under another device's key is refused.
    pub device: DeviceId,
    /// Its place in the order of this device's manifests.
    pub generation: Generation,
    /// What should run, and at which revision.
    pub deployments: BTreeMap<DeploymentRef, Revision>,
    /// The same deployments, the oldest first: where two claim one host port or container name,
    /// the earlier in this list wins.
    #[serde(default)]
    pub order: Vec<DeploymentRef>,
    /// Public keys (base64) that the device shall trust from now on beside those it knows, so that
    /// the signing key can be changed without visiting a device.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub announced_keys: Vec<String>,
    /// Public keys (base64) that the device shall not trust any more, configured or announced, until
    /// one is announced again. The key that signs this manifest is never among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired_keys: Vec<String>,
}

impl Manifest {
    /// Whether two manifests ask for the same, whatever their generation.
    pub fn same_content(&self, other: &Self) -> bool {
        self.deployments == other.deployments
            && self.order == other.order
            && self.announced_keys == other.announced_keys
            && self.retired_keys == other.retired_keys
            && self.device == other.device
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generation_rises_even_if_the_clock_went_back_or_the_store_was_lost() {
        let first = Generation::next(None, UnixMillis(1_000));
        assert_eq!(first, Generation(1_000));
        assert_eq!(
            Generation::next(Some(first), UnixMillis(10)),
            Generation(1_001)
        );
        assert_eq!(
            Generation::next(Some(first), UnixMillis(5_000)),
            Generation(5_000)
        );
        assert_eq!(
            Generation::next(Some(Generation(u64::MAX)), UnixMillis(0)),
            Generation(u64::MAX)
        );
    }
}
