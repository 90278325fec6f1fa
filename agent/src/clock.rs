//! The clocks that tokens are measured by.

use std::time::{SystemTime, UNIX_EPOCH};

use fleet_agent_core::Tick;
use rustix::time::{ClockId, clock_gettime};

/// Time since the device started, suspension included: a token ages also while the device sleeps.
pub(crate) fn boottime() -> Tick {
    let now = clock_gettime(ClockId::Boottime);
    let millis = now.tv_sec.saturating_mul(1000) + now.tv_nsec / 1_000_000;
    Tick(u64::try_from(millis).unwrap_or_default())
}

/// Seconds since 1970 by the device's own clock, which may be wrong.
pub(crate) fn wall_seconds() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs()
}
