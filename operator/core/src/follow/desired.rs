use std::collections::HashSet;

use fleet_contracts::kv::Bucket;
use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeviceId, UnixMillis};

use super::{Follower, Refused, Stored};
use crate::mirror::{ForeignError, Read};
use crate::replica::{Replica, Source, Taken};

/// `desired-state`: what we, or a leader before us, wrote.
#[derive(Debug, Default)]
pub struct DesiredFollower {
    /// While a list is read there are no echoes of ours: every signature has to be looked at, with
    /// this key, and that takes longer than all else.
    listing: Option<TrustedKey>,
}

impl Follower for DesiredFollower {
    const BUCKET: Bucket = Bucket::DesiredState;
    const SOURCE: Source = Source::Desired;
    type Said<'a> = Read<'a>;

    fn read<'a>(&self, stored: Stored<'a>) -> Result<Read<'a>, Refused> {
        let read = Read::of(stored.message);
        Ok(match &self.listing {
            Some(key) => read.verified(key),
            None => read,
        })
    }

    fn begin(&mut self, replica: &mut Replica, _: bool) {
        self.listing = Some(replica.mirror.trusted());
        replica.mirror.clear();
    }

    fn put(
        &mut self,
        replica: &mut Replica,
        read: Read<'_>,
        now: UnixMillis,
    ) -> Result<Taken, Refused> {
        let key = read.key();
        let outcome = replica.mirror.put(read);
        if let (Err(_), Some((device, _))) = (&outcome, key.split_once('.'))
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
        self.listing = None;
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
