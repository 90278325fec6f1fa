use std::cmp::Reverse;
use std::collections::BinaryHeap;

use fleet_contracts::{DeviceId, UnixMillis};
use roaring::RoaringBitmap;

use super::FleetIndex;
use super::input::{Dirty, Heard, Reachability};

/// When a silent device counts as stale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LivenessConfig {
    /// A device is stale when its last heartbeat is this many milliseconds old.
    pub stale_after: u64,
}

impl Default for LivenessConfig {
    /// Two periods of the default heartbeat, 30 s.
    fn default() -> Self {
        Self {
            stale_after: 60_000,
        }
    }
}

/// What is known of one device's heartbeats.
#[derive(Debug, Default)]
pub(super) struct Life {
    pub(super) heard: Option<UnixMillis>,
    pub(super) state: Reachability,
    /// The one entry of the queue that is meant for it.
    check_at: Option<UnixMillis>,
}

impl Life {
    pub(super) const fn is_waiting(&self) -> bool {
        self.check_at.is_some()
    }
}

/// The devices by when they have to be looked at. Each has one entry at most: a heartbeat only
/// notes its time, and the entry that comes due is put back if there was one. So a heartbeat costs
/// O(1), however many devices there are.
#[derive(Debug)]
pub(super) struct Liveness {
    config: LivenessConfig,
    started: UnixMillis,
    pub(super) stale: RoaringBitmap,
    queue: BinaryHeap<Reverse<(UnixMillis, u32)>>,
}

impl Liveness {
    pub(super) fn new(config: LivenessConfig, started: UnixMillis) -> Self {
        Self {
            config,
            started,
            stale: RoaringBitmap::new(),
            queue: BinaryHeap::new(),
        }
    }

    pub(super) fn next(&self) -> Option<UnixMillis> {
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// When a device last heard at `heard` has to be looked at.
    const fn deadline(&self, heard: UnixMillis) -> UnixMillis {
        UnixMillis(heard.0.saturating_add(self.config.stale_after))
    }

    fn watch(&mut self, device: u32, life: &mut Life, at: UnixMillis) {
        if life.check_at.is_none() {
            life.check_at = Some(at);
            self.queue.push(Reverse((at, device)));
        }
    }

    fn pop_due(&mut self, now: UnixMillis) -> Option<(UnixMillis, u32)> {
        match self.queue.peek() {
            Some(Reverse((at, _))) if *at <= now => self.queue.pop().map(|Reverse(entry)| entry),
            _ => None,
        }
    }
}

impl FleetIndex {
    pub(super) fn heard(
        &mut self,
        device: &DeviceId,
        said: Heard,
        now: UnixMillis,
        dirty: &mut Dirty,
    ) {
        let Heard {
            received,
            follows,
            refusal,
        } = said;
        // The bus's clock may run ahead of ours; a heartbeat from the future would hide a silence.
        let received = received.min(now);
        let slot = self.devices.intern(device);
        let Some(record) = self.devices.get_mut(slot) else {
            return;
        };
        record.follows = Some(follows);
        record.life.heard = record.life.heard.max(Some(received));
        let heard = record.life.heard.unwrap_or(received);
        if record.refusal != refusal {
            record.refusal = refusal;
            dirty.device_statuses.insert(device.clone());
        }
        let deadline = self.liveness.deadline(heard);
        if deadline <= now {
            // An old one, replayed at start: says nothing that waiting would not say better.
            self.begin_grace(slot);
            return;
        }
        self.liveness.watch(slot, &mut record.life, deadline);
        if record.life.state != Reachability::Reachable {
            self.turn(slot, Reachability::Reachable, dirty);
        }
    }

    /// Starts to look at a device that was not heard yet: it has one threshold from the start of
    /// the operator, or from when it became known.
    pub(super) fn first_look(&mut self, slot: u32, told: Reachability, now: UnixMillis) {
        let Some(record) = self.devices.get_mut(slot) else {
            return;
        };
        if record.life.state == Reachability::Unknown {
            record.life.state = told;
        }
        if record.life.state == Reachability::Stale {
            self.liveness.stale.insert(slot);
            return;
        }
        let deadline = self.liveness.deadline(record.life.heard.unwrap_or(now));
        self.liveness.watch(slot, &mut record.life, deadline);
    }

    fn begin_grace(&mut self, slot: u32) {
        let deadline = self.liveness.deadline(self.liveness.started);
        if let Some(record) = self.devices.get_mut(slot)
            && record.life.state != Reachability::Stale
        {
            self.liveness.watch(slot, &mut record.life, deadline);
        }
    }

    pub(super) fn forget_life(&mut self, slot: u32) {
        self.liveness.stale.remove(slot);
        if let Some(record) = self.devices.get_mut(slot) {
            record.life = Life::default();
        }
    }

    pub(super) fn check_silence(&mut self, now: UnixMillis, dirty: &mut Dirty) {
        while let Some((at, slot)) = self.liveness.pop_due(now) {
            let Some(record) = self.devices.get_mut(slot) else {
                continue;
            };
            if record.life.check_at != Some(at) {
                continue;
            }
            record.life.check_at = None;
            if let Some(heard) = record.life.heard
                && self.liveness.deadline(heard) > now
            {
                let deadline = self.liveness.deadline(heard);
                self.liveness.watch(slot, &mut record.life, deadline);
            } else {
                self.turn(slot, Reachability::Stale, dirty);
                self.release_device(slot);
            }
        }
    }

    fn turn(&mut self, slot: u32, state: Reachability, dirty: &mut Dirty) {
        if let Some(record) = self.devices.get_mut(slot) {
            record.life.state = state;
        }
        if state == Reachability::Stale {
            self.liveness.stale.insert(slot);
        } else {
            self.liveness.stale.remove(slot);
        }
        let Some((device, record)) = self.devices.entry(slot) else {
            return;
        };
        if record.object.is_none() {
            return;
        }
        if state == Reachability::Stale {
            for deployment in &record.assigned {
                if let Some(record) = self.deployments.get_mut(deployment) {
                    record.progress.forget(slot);
                }
            }
        }
        dirty.device_statuses.insert(device.clone());
        dirty.reachability.insert(device.clone(), state);
        let statuses = record.assigned.iter();
        dirty
            .statuses
            .extend(statuses.filter_map(|d| self.deployments.name(d).cloned()));
    }
}
