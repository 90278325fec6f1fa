//! Clocks and timers.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fleet_agent_core::Tick;
use fleet_contracts::UnixMillis;

/// The monotonic clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(Instant);

impl Clock {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn now(self) -> Tick {
        Tick(u64::try_from(self.0.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// The wall clock, for reports only.
pub(super) fn wall() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Something that is due again and again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timer(Tick);

impl Timer {
    pub(super) fn at(tick: Tick) -> Self {
        Self(tick)
    }

    pub(super) fn due(self) -> Tick {
        self.0
    }

    pub(super) fn set(&mut self, at: Tick) {
        self.0 = at;
    }

    /// Whether it is due; if so, it is set to `again` milliseconds from now.
    pub(super) fn passed(&mut self, now: Tick, again: u64) -> bool {
        let due = self.0 <= now;
        if due {
            self.0 = now + again;
        }
        due
    }
}
