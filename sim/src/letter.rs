//! What operators and devices ask the servers for, and what those answer.

use bytes::Bytes;
use fleet_agent_core::sync::Got;
use fleet_api::{DeploymentStatus, DeviceStatus};
use fleet_contracts::kv::{Bucket, DesiredKey};
use fleet_contracts::{DeploymentRef, DeviceId};
use fleet_lease::Record;
use fleet_operator_core::replica::DeviceObject;

use crate::bus::Headers;

/// Who asks. What was asked in an earlier life is not answered in the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Peer {
    /// A replica of the operator.
    Operator(usize),
    /// A device.
    Device(usize),
}

/// A request.
#[derive(Debug, Clone)]
pub enum Request {
    /// Store a value; without one, a deletion marker.
    Put {
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: String,
        /// The value.
        value: Option<Bytes>,
        /// Its headers.
        headers: Headers,
        /// The key's last message, if it must be that one.
        expected: Option<u64>,
    },
    /// Remove a key, or all below a prefix, up to a sequence.
    Purge {
        /// The bucket.
        bucket: Bucket,
        /// The key.
        key: String,
        /// The last sequence to go.
        up_to: u64,
    },
    /// Read a key of `desired-state`.
    Get(DesiredKey),
    /// Read the Lease.
    ReadLease,
    /// Write the Lease, if it still is the second, which was read.
    WriteLease(Record, Option<Record>),
    /// Put our finalizer on.
    Hold(DeploymentRef, String),
    /// Take our finalizer off.
    Release(DeploymentRef, String),
    /// Write a status.
    Status(DeploymentRef, String, Box<DeploymentStatus>),
    /// Apply a Device.
    Device(DeviceId, Box<DeviceObject>),
    /// Write the status of a Device.
    DeviceStatus(DeviceId, Box<DeviceStatus>),
}

impl Request {
    /// Whether it is for the bus.
    pub const fn is_for_bus(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Purge { .. } | Self::Get(_))
    }

    /// How long whoever asks waits for an answer.
    pub const fn patience(&self) -> u64 {
        match self {
            Self::Get(_) => 10_000,
            Self::Put { .. } | Self::Purge { .. } => 5_000,
            Self::ReadLease | Self::WriteLease(..) => 3_000,
            _ => 15_000,
        }
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Response {
    /// Stored, at this place.
    Stored(u64),
    /// Done.
    Done,
    /// The value, if there is one.
    Value(Option<Got>),
    /// The Lease, if there is one.
    Lease(Option<Record>),
    /// There is no such object.
    Missing,
    /// Somebody else was faster.
    Conflict,
    /// None came in time.
    NoAnswer,
}
