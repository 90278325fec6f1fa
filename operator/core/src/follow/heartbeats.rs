use std::collections::{HashMap, HashSet};

use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{Heartbeat, Refusal, decode};
use fleet_contracts::reason::RefusalReason;
use fleet_contracts::{DeviceId, UnixMillis};

use super::{Follower, Refused, Stored, own_key};
use crate::index::{Heard, Input};
use crate::replica::{Replica, Source, Taken};

/// `device-heartbeat`: signs of life. They stay in memory.
#[derive(Debug, Default)]
pub struct HeartbeatFollower {
    live: bool,
    /// What each device refuses now, so that a refusal counts once and not with every heartbeat.
    refusals: HashMap<DeviceId, Refusal>,
}

impl Follower for HeartbeatFollower {
    const BUCKET: Bucket = Bucket::DeviceHeartbeat;
    const SOURCE: Source = Source::Heartbeats;
    /// The device, its words, and when the bus took them in.
    type Said<'a> = (Heartbeat, UnixMillis);

    fn read<'a>(&self, stored: Stored<'a>) -> Result<Self::Said<'a>, Refused> {
        let device: DeviceId = stored.message.key.parse()?;
        let heartbeat: Heartbeat = decode(Self::BUCKET, stored.message.body)?;
        own_key(&device, &heartbeat.device)?;
        Ok((heartbeat, stored.received))
    }

    fn begin(&mut self, _: &mut Replica, _: bool) {
        self.live = false;
    }

    fn put(
        &mut self,
        replica: &mut Replica,
        (heartbeat, received): Self::Said<'_>,
        now: UnixMillis,
    ) -> Result<Taken, Refused> {
        let Heartbeat {
            device,
            refusal,
            generation,
            ..
        } = heartbeat;
        let reason = refusal.as_ref().map(|refusal| refusal.reason);
        let mirror = &mut replica.mirror;
        let conflicts = reason == Some(RefusalReason::ConflictingGeneration);
        if mirror.followed(&device, generation)
            || conflicts && mirror.conflicted(&device, generation)
        {
            replica.mark_desired(device.clone(), now);
        }
        let news = self.news(&device, refusal.as_ref());
        // One that comes now was sent now, whatever the clocks say; one from before the watch is
        // as old as the bus says.
        let received = if self.live { now } else { received };
        let heard = Heard {
            received,
            follows: generation,
            refusal,
        };
        Ok(Taken {
            refusal: news,
            ..replica.apply(Input::Heartbeat { device, heard }, now)
        })
    }

    /// Heartbeats age out by themselves; silence is noticed by time, not by their going.
    fn deleted(
        &mut self,
        _: &mut Replica,
        _: &str,
        _: u64,
        _: UnixMillis,
    ) -> Result<Taken, Refused> {
        Ok(Taken::default())
    }

    fn end(&mut self, _: &mut Replica, _: &HashSet<String>, _: UnixMillis) -> Taken {
        self.live = true;
        Taken::default()
    }
}

impl HeartbeatFollower {
    fn news(
        &mut self,
        device: &DeviceId,
        refusal: Option<&Refusal>,
    ) -> Option<(DeviceId, Refusal)> {
        let Some(refusal) = refusal else {
            self.refusals.remove(device);
            return None;
        };
        if self.refusals.get(device) == Some(refusal) {
            return None;
        }
        self.refusals.insert(device.clone(), refusal.clone());
        Some((device.clone(), refusal.clone()))
    }
}
