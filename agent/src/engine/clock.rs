//! Clocks.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fleet_agent_core::Tick;
use fleet_agent_core::engine::Moment;
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

    pub(super) fn moment(self, dice: &mut dyn FnMut() -> f64) -> Moment<'_> {
        Moment {
            now: self.now(),
            wall: wall(),
            dice,
        }
    }
}

/// The wall clock, for reports only.
pub(super) fn wall() -> UnixMillis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
