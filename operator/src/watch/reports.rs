use std::collections::HashSet;

use fleet_bus::Stored;
use fleet_contracts::kv::{Bucket, EntryKey};
use fleet_contracts::payload::{DeviceState, decode};
use fleet_operator_core::Input;
use fleet_operator_core::index::Report;

use super::bucket::{Consumer, Refused};
use crate::state::{Shared, Source};

/// `device-state`: what became of Deployments on devices.
#[derive(Debug, Default)]
pub struct ReportWatch {
    known: HashSet<EntryKey>,
}

impl Consumer for ReportWatch {
    const BUCKET: Bucket = Bucket::DeviceState;
    const SOURCE: Source = Source::Reports;

    fn begin(&mut self, _: &Shared, recreated: bool) {
        if recreated {
            // The devices' last words stay good although the stream that held them is gone.
            self.known.clear();
        }
    }

    fn put(&mut self, shared: &Shared, stored: &Stored) -> Result<(), Refused> {
        let key = key_of(&stored.key)?;
        let state: DeviceState =
            decode(Self::BUCKET, &stored.value).map_err(|e| Refused::new(e.reason(), e))?;
        self.known.insert(key.clone());
        let report = Report::new(state, stored.received);
        shared.apply(Input::Report { key, report });
        Ok(())
    }

    fn deleted(&mut self, shared: &Shared, key: &str, _: u64) -> Result<(), Refused> {
        let key = key_of(key)?;
        self.known.remove(&key);
        shared.apply(Input::ReportGone(key));
        Ok(())
    }

    fn end(&mut self, shared: &Shared, listed: &HashSet<String>) {
        let known = self.known.iter();
        let gone: Vec<_> = known
            .filter(|key| !listed.contains(&key.to_string()))
            .cloned()
            .collect();
        for key in gone {
            self.known.remove(&key);
            shared.apply(Input::ReportGone(key));
        }
    }
}

fn key_of(key: &str) -> Result<EntryKey, Refused> {
    key.parse::<EntryKey>()
        .map_err(|e| Refused::new("ForeignKey", e))
}
