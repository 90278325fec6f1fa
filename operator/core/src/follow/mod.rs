//! What the content of the four buckets means for a replica.
//!
//! Reading a payload needs no replica, so that a shell can do it before it takes a lock. A list that
//! ends tells which of the keys known before it are no more.

mod desired;
mod heartbeats;
mod info;
mod present;
mod reports;

pub use desired::DesiredFollower;
pub use heartbeats::HeartbeatFollower;
pub use info::InfoFollower;
pub use reports::ReportFollower;

use std::collections::HashSet;

use fleet_contracts::id::InvalidName;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::PayloadError;
use fleet_contracts::{DeviceId, UnixMillis};

use crate::mirror::{ForeignError, Message};
use crate::replica::{Replica, Source, Taken};

/// A value in a bucket.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// Key, place in the stream, headers and body.
    pub message: Message<'a>,
    /// When the bus took it in.
    pub received: UnixMillis,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The key is none of this bucket.
    #[error("the key is none of this bucket")]
    Key(#[from] InvalidName),
    /// The payload cannot be read.
    #[error("the payload cannot be read")]
    Payload(#[from] PayloadError),
    /// The payload names another device than the one under whose key it lies.
    #[error("it names device {0}")]
    WrongDevice(DeviceId),
    /// A message of `desired-state` that is not ours.
    #[error(transparent)]
    Foreign(#[from] ForeignError),
}

impl Refused {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Key(_) => "ForeignKey",
            Self::Payload(error) => error.reason(),
            Self::WrongDevice(_) => "WrongDevice",
            Self::Foreign(error) => error.reason(),
        }
    }
}

/// What to do with the content of one bucket.
pub trait Follower: Default {
    /// The bucket.
    const BUCKET: Bucket;
    /// What waits for its first list.
    const SOURCE: Source;
    /// A value, read.
    type Said<'a>;

    /// Reads a value.
    fn read<'a>(&self, stored: Stored<'a>) -> Result<Self::Said<'a>, Refused>;
    /// A list begins; `recreated` if the stream is another than the one of the list before.
    fn begin(&mut self, replica: &mut Replica, recreated: bool);
    /// A key has a value.
    fn put(
        &mut self,
        replica: &mut Replica,
        said: Self::Said<'_>,
        now: UnixMillis,
    ) -> Result<Taken, Refused>;
    /// A key was deleted.
    fn deleted(
        &mut self,
        replica: &mut Replica,
        key: &str,
        sequence: u64,
        now: UnixMillis,
    ) -> Result<Taken, Refused>;
    /// The list has ended; what is known but not in `listed` is no more.
    fn end(&mut self, replica: &mut Replica, listed: &HashSet<String>, now: UnixMillis) -> Taken;
}

/// A payload must name the device under whose key it lies.
fn own_key(key: &DeviceId, named: &DeviceId) -> Result<(), Refused> {
    if key == named {
        Ok(())
    } else {
        Err(Refused::WrongDevice(named.clone()))
    }
}
