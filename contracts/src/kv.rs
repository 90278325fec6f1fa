//! The four buckets, their keys, and how large a value may be.
//!
//! | bucket | key | written by |
//! |---|---|---|
//! | `desired-state` | `<device>.<namespace>.<name>`, `<device>._manifest` | the operator only |
//! | `device-info` | `<device>` | that device |
//! | `device-state` | `<device>.<namespace>.<name>` | that device |
//! | `device-heartbeat` | `<device>` | that device |

use std::{fmt, str::FromStr};

use crate::id::{DeploymentRef, DeviceId, InvalidName};

/// One of the KV buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Bucket {
    /// What devices should run.
    DesiredState,
    /// What devices are.
    DeviceInfo,
    /// What became of each deployment on each device.
    DeviceState,
    /// Signs of life.
    DeviceHeartbeat,
}

impl Bucket {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::DesiredState,
        Self::DeviceInfo,
        Self::DeviceState,
        Self::DeviceHeartbeat,
    ];

    /// The bucket's name; its stream is `KV_<name>`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::DesiredState => "desired-state",
            Self::DeviceInfo => "device-info",
            Self::DeviceState => "device-state",
            Self::DeviceHeartbeat => "device-heartbeat",
        }
    }

    /// The largest value, in bytes; the stream refuses more, and so does whoever reads.
    pub const fn max_value_bytes(self) -> usize {
        match self {
            Self::DesiredState => 768 * 1024,
            Self::DeviceInfo => 32 * 1024,
            Self::DeviceState => 16 * 1024,
            Self::DeviceHeartbeat => 4 * 1024,
        }
    }

    /// The stream that holds the bucket.
    pub fn stream(self) -> String {
        format!("KV_{}", self.name())
    }

    /// The subject of a key in the account that owns the bucket.
    pub fn subject(self, key: &impl fmt::Display) -> String {
        format!("$KV.{}.{key}", self.name())
    }
}

impl FromStr for Bucket {
    type Err = InvalidName;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|b| b.name() == given)
            .ok_or_else(|| {
                InvalidName::new(
                    "bucket",
                    given,
                    "desired-state, device-info, device-state or device-heartbeat",
                )
            })
    }
}

/// The last token of a device's manifest key; no namespace can be called so.
const MANIFEST: &str = "_manifest";

/// A key of `desired-state`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DesiredKey {
    /// The body of one deployment for one device.
    Entry(EntryKey),
    /// The signed list of what the device should run.
    Manifest(DeviceId),
}

/// One deployment on one device; a key of `device-state`, and of `desired-state`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryKey {
    /// The device.
    pub device: DeviceId,
    /// The deployment.
    pub deployment: DeploymentRef,
}

impl fmt::Display for EntryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.device, self.deployment)
    }
}

impl FromStr for EntryKey {
    type Err = InvalidName;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let (device, deployment) = given
            .split_once('.')
            .ok_or_else(|| InvalidName::new("key", given, "<device>.<namespace>.<name>"))?;
        Ok(Self {
            device: device.parse()?,
            deployment: deployment.parse()?,
        })
    }
}

impl fmt::Display for DesiredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Entry(entry) => entry.fmt(f),
            Self::Manifest(device) => write!(f, "{device}.{MANIFEST}"),
        }
    }
}

impl FromStr for DesiredKey {
    type Err = InvalidName;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        match given.split_once('.') {
            Some((device, MANIFEST)) => Ok(Self::Manifest(device.parse()?)),
            _ => given.parse().map(Self::Entry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_survive_the_round_trip() {
        for given in ["dev-1._manifest", "dev-1.shop.web"] {
            assert_eq!(
                given.parse::<DesiredKey>().map(|k| k.to_string()),
                Ok(given.to_owned())
            );
        }
    }

    #[test]
    fn foreign_keys_are_refused() {
        for given in [
            "dev-1",
            "dev-1._index",
            "dev-1._manifest.x",
            "dev-1.shop.web.x",
            "a.b.>",
            "",
        ] {
            assert!(given.parse::<DesiredKey>().is_err(), "{given:?}");
        }
    }
}
