use std::collections::HashSet;
use std::sync::Arc;

use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{DeviceInfo, decode};
use fleet_contracts::{DeviceId, UnixMillis};

use super::present::Present;
use super::{Follower, Refused, Stored, own_key};
use crate::index::Input;
use crate::replica::{Replica, Source, Taken};

/// `device-info`: what devices are.
#[derive(Debug, Default)]
pub struct InfoFollower {
    present: Present<DeviceId>,
}

impl Follower for InfoFollower {
    const BUCKET: Bucket = Bucket::DeviceInfo;
    const SOURCE: Source = Source::Info;
    type Said<'a> = DeviceInfo;

    fn read(&self, stored: Stored<'_>) -> Result<DeviceInfo, Refused> {
        let device: DeviceId = stored.message.key.parse()?;
        let info: DeviceInfo = decode(Self::BUCKET, stored.message.body)?;
        own_key(&device, &info.device)?;
        Ok(info)
    }

    fn begin(&mut self, replica: &mut Replica, recreated: bool) {
        self.present.begin(recreated);
        if recreated {
            let known = &mut replica.known;
            known.doubted = known.infos.keys().cloned().collect();
        }
    }

    fn put(
        &mut self,
        replica: &mut Replica,
        info: DeviceInfo,
        now: UnixMillis,
    ) -> Result<Taken, Refused> {
        let device = info.device.clone();
        self.present.insert(device.clone());
        let (name, info) = (device.clone(), Arc::new(info));
        let change = |known: &mut crate::replica::Known| {
            known.doubted.remove(&name);
            known.infos.insert(name, info);
        };
        Ok(replica.describe_again(&device, change, now))
    }

    fn deleted(
        &mut self,
        replica: &mut Replica,
        key: &str,
        _: u64,
        now: UnixMillis,
    ) -> Result<Taken, Refused> {
        let device: DeviceId = key.parse()?;
        self.present.remove(&device);
        Ok(gone(replica, device, now))
    }

    fn end(&mut self, replica: &mut Replica, listed: &HashSet<String>, now: UnixMillis) -> Taken {
        let mut taken = Taken::default();
        for device in self.present.take_missing(listed) {
            taken.merge(gone(replica, device, now));
        }
        taken
    }
}

fn gone(replica: &mut Replica, device: DeviceId, now: UnixMillis) -> Taken {
    replica.known.infos.remove(&device);
    replica.known.doubted.remove(&device);
    replica.apply(Input::InfoGone(device), now)
}
