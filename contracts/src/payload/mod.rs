//! What lies in the buckets.
//!
//! Every type tolerates fields it does not know, carries `schemaVersion`, and is read through
//! [`decode`], which refuses oversize and malformed bytes with a reason.

mod info;
mod state;

pub use info::{DeviceInfo, Inventory};
pub use state::{DeviceState, Heartbeat, Phase, Refusal, ServicePhase, ServiceState};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::kv::Bucket;
use crate::revision::Revision;

/// The version of the payloads this crate writes.
pub const SCHEMA_VERSION: u32 = 1;

/// The body of one deployment for one device, in `desired-state`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DesiredEntry {
    /// [`SCHEMA_VERSION`] of whoever wrote it.
    pub schema_version: u32,
    /// The hash of `score`; the reader computes it again.
    pub revision: Revision,
    /// The score as JSON, so that fields unknown to the reader keep counting in the hash.
    pub score: serde_json::Value,
}

/// Why bytes in a bucket were not taken.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// More bytes than the bucket allows.
    #[error("{bytes} bytes in {bucket}, at most {max} are allowed")]
    Oversize {
        /// The bucket.
        bucket: &'static str,
        /// How many there are.
        bytes: usize,
        /// How many may be.
        max: usize,
    },
    /// Not the JSON this bucket holds.
    #[error("malformed value in {bucket}")]
    Malformed {
        /// The bucket.
        bucket: &'static str,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}

impl PayloadError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Oversize { .. } => "Oversize",
            Self::Malformed { .. } => "Malformed",
        }
    }
}

/// Reads a value of a bucket.
pub fn decode<T: DeserializeOwned>(bucket: Bucket, bytes: &[u8]) -> Result<T, PayloadError> {
    let (name, max) = (bucket.name(), bucket.max_value_bytes());
    if bytes.len() > max {
        return Err(PayloadError::Oversize {
            bucket: name,
            bytes: bytes.len(),
            max,
        });
    }
    serde_json::from_slice(bytes).map_err(|source| PayloadError::Malformed {
        bucket: name,
        source,
    })
}

/// Writes a value of a bucket.
///
/// # Panics
/// Never: the payload types hold string-keyed maps only, which JSON can always express.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_and_oversize_have_reasons() {
        let malformed = decode::<DeviceInfo>(Bucket::DeviceInfo, b"\xff\x00");
        assert_eq!(malformed.map_err(|e| e.reason()), Err("Malformed"));
        let oversize = decode::<Heartbeat>(Bucket::DeviceHeartbeat, &vec![b' '; 5000]);
        assert_eq!(oversize.map_err(|e| e.reason()), Err("Oversize"));
    }
}
