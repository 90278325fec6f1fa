//! What a replica has begun to write, and which answers it waits for.

use fleet_api::{DeploymentStatus, DeviceStatus};
use fleet_contracts::kv::EntryKey;
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, UnixMillis};
use fleet_operator_core::mirror::{Batch, Epoch, Put};
use fleet_operator_core::replica::Telling;

/// A key that is being written.
#[derive(Debug, Clone)]
pub(super) enum Key {
    Desired(DeviceId),
    Status(DeploymentRef),
    Finalizer(DeploymentRef),
    DeviceObject(DeviceId),
    DeviceStatus(DeviceId),
    Forgotten(DeviceId),
    Report(EntryKey),
}

/// A write under way.
#[derive(Debug)]
pub(super) struct Writing {
    pub(super) key: Key,
    /// What its acknowledgements count for.
    pub(super) epoch: Epoch,
    /// What follows, the next last.
    pub(super) batches: Vec<Batch>,
    /// How many answers are awaited.
    pub(super) waiting: usize,
}

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Pending {
    Lease,
    LeaseWritten(UnixMillis),
    /// The same, and it says only who asks for it, or that nobody holds it any more.
    LeaseLeft,
    Entry(u64, Put),
    Manifest(u64, Box<Manifest>),
    ManifestDeleted(u64, DeviceId),
    EntryDeleted(u64, EntryKey),
    /// A marker that stays is no harm.
    Swept(u64),
    Status(u64, DeploymentRef, Telling, Box<DeploymentStatus>),
    Released(u64, DeploymentRef),
    DeviceStatus(u64, DeviceId, Telling, Box<DeviceStatus>),
    InfoForgotten(u64, DeviceId),
    /// Nothing is remembered of it.
    Plain(u64),
}

impl Pending {
    pub(super) const fn writing(&self) -> u64 {
        match self {
            Self::Lease | Self::LeaseWritten(_) | Self::LeaseLeft => 0,
            Self::Entry(writing, _)
            | Self::Manifest(writing, _)
            | Self::ManifestDeleted(writing, _)
            | Self::EntryDeleted(writing, _)
            | Self::Swept(writing)
            | Self::Status(writing, ..)
            | Self::Released(writing, _)
            | Self::DeviceStatus(writing, ..)
            | Self::InfoForgotten(writing, _)
            | Self::Plain(writing) => *writing,
        }
    }
}
