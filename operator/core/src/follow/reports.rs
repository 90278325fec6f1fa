use std::collections::HashSet;

use fleet_contracts::UnixMillis;
use fleet_contracts::kv::{Bucket, EntryKey};
use fleet_contracts::payload::{DeviceState, decode};

use super::present::Present;
use super::{Follower, Refused, Stored};
use crate::index::{Input, Report};
use crate::replica::{Replica, Source, Taken};

/// `device-state`: what became of Deployments on devices.
#[derive(Debug, Default)]
pub struct ReportFollower {
    present: Present<EntryKey>,
}

impl Follower for ReportFollower {
    const BUCKET: Bucket = Bucket::DeviceState;
    const SOURCE: Source = Source::Reports;
    type Said<'a> = (EntryKey, Report);

    fn read<'a>(&self, stored: Stored<'a>) -> Result<Self::Said<'a>, Refused> {
        let key: EntryKey = stored.message.key.parse()?;
        let state: DeviceState = decode(Self::BUCKET, stored.message.body)?;
        Ok((key, Report::new(state, stored.received)))
    }

    fn begin(&mut self, _: &mut Replica, recreated: bool) {
        self.present.begin(recreated);
    }

    fn put(
        &mut self,
        replica: &mut Replica,
        (key, report): Self::Said<'_>,
        now: UnixMillis,
    ) -> Result<Taken, Refused> {
        self.present.insert(key.clone());
        Ok(replica.apply(Input::Report { key, report }, now))
    }

    fn deleted(
        &mut self,
        replica: &mut Replica,
        key: &str,
        _: u64,
        now: UnixMillis,
    ) -> Result<Taken, Refused> {
        let key: EntryKey = key.parse()?;
        self.present.remove(&key);
        Ok(replica.apply(Input::ReportGone(key), now))
    }

    fn end(&mut self, replica: &mut Replica, listed: &HashSet<String>, now: UnixMillis) -> Taken {
        let mut taken = Taken::default();
        for key in self.present.take_missing(listed) {
            taken.merge(replica.apply(Input::ReportGone(key), now));
        }
        taken
    }
}
