//! What is to be taken off the bus and is in no object any more.
//!
//! A leader that dies over it leaves it undone, and who takes over finds no trace of it in the objects. So every
//! replica remembers for a while what it heard of.

use std::collections::VecDeque;

use fleet_contracts::kv::EntryKey;
use fleet_contracts::{DeviceId, UnixMillis};

use crate::index::Dirty;

/// For so long, in milliseconds. Another leads after seconds, and what it cannot take off then it tries again.
const REMEMBERED: u64 = 10 * 60 * 1_000;

/// What this replica would have taken off, had it been the one to write.
#[derive(Debug, Default)]
pub(super) struct Unfinished {
    devices: VecDeque<(UnixMillis, DeviceId)>,
    reports: VecDeque<(UnixMillis, EntryKey)>,
}

impl Unfinished {
    pub(super) fn add(
        &mut self,
        devices: impl IntoIterator<Item = DeviceId>,
        reports: impl IntoIterator<Item = EntryKey>,
        now: UnixMillis,
    ) {
        drop_old(&mut self.devices, now);
        drop_old(&mut self.reports, now);
        self.devices.extend(devices.into_iter().map(|d| (now, d)));
        self.reports.extend(reports.into_iter().map(|r| (now, r)));
    }

    /// All of it, for who begins to write. Whether it is still to be taken off is asked before each write.
    pub(super) fn take(&mut self, now: UnixMillis) -> Dirty {
        self.add([], [], now);
        let (devices, reports) = (self.devices.drain(..), self.reports.drain(..));
        Dirty {
            forgotten: devices.map(|(_, device)| device).collect(),
            reports: reports.map(|(_, report)| report).collect(),
            ..Dirty::default()
        }
    }
}

fn drop_old<T>(queue: &mut VecDeque<(UnixMillis, T)>, now: UnixMillis) {
    while queue
        .front()
        .is_some_and(|(at, _)| now.millis_since(*at) > REMEMBERED)
    {
        queue.pop_front();
    }
}
