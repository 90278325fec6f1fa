use std::collections::HashSet;

use fleet_contracts::kv::Bucket;
use fleet_contracts::{DeviceId, UnixMillis};

use super::{Follower, Refused, Stored};
use crate::mirror::{ForeignError, Message};
use crate::replica::{Replica, Source, Taken};

/// `desired-state`: what we, or a leader before us, wrote.
#[derive(Debug, Default)]
pub struct DesiredFollower;

impl Follower for DesiredFollower {
    const BUCKET: Bucket = Bucket::DesiredState;
    const SOURCE: Source = Source::Desired;
    /// The mirror reads it: the echo of our own manifest needs no verification.
    type Said<'a> = Message<'a>;

    fn read(stored: Stored<'_>) -> Result<Message<'_>, Refused> {
        Ok(stored.message)
    }

    fn begin(&mut self, replica: &mut Replica, _: bool) {
        replica.mirror.clear();
    }

    fn put(
        &mut self,
        replica: &mut Replica,
        message: Message<'_>,
        now: UnixMillis,
    ) -> Result<Taken, Refused> {
        let outcome = replica.mirror.put(message);
        if let (Err(_), Some((device, _))) = (&outcome, message.key.split_once('.'))
            && let Ok(device) = device.parse()
        {
            // Not ours, under a key of ours: to be replaced.
            replica.mark_desired(device, now);
        }
        note(replica, outcome, now)
    }

    fn deleted(
        &mut self,
        replica: &mut Replica,
        key: &str,
        sequence: u64,
        now: UnixMillis,
    ) -> Result<Taken, Refused> {
        let outcome = replica.mirror.deleted(key, sequence);
        note(replica, outcome, now)
    }

    fn end(&mut self, _: &mut Replica, _: &HashSet<String>, _: UnixMillis) -> Taken {
        Taken::default()
    }
}

fn note(
    replica: &mut Replica,
    outcome: Result<Option<DeviceId>, ForeignError>,
    now: UnixMillis,
) -> Result<Taken, Refused> {
    if let Some(device) = outcome? {
        replica.mark_desired(device, now);
    }
    Ok(Taken::default())
}
