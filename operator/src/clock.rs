//! The two clocks.

use std::sync::LazyLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use fleet_contracts::UnixMillis;

/// Where the steady clock began, and when that was by the wall clock.
static START: LazyLock<(Instant, u64)> = LazyLock::new(|| (Instant::now(), wall().0));

/// The wall clock: for what leaves the process.
pub fn wall() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let millis = since.map_or(0, |d| d.as_millis());
    UnixMillis(millis.try_into().unwrap_or(u64::MAX))
}

/// The steady clock, which agreed with the wall clock when the process began and no step of that
/// moves: for deadlines, pacing and the lease.
pub fn now() -> UnixMillis {
    millis(Instant::now())
}

/// What the steady clock shows at an instant.
pub fn millis(at: Instant) -> UnixMillis {
    let (start, wall) = *START;
    let passed = at.saturating_duration_since(start).as_millis();
    UnixMillis(wall.saturating_add(passed.try_into().unwrap_or(u64::MAX)))
}

/// The instant at which the steady clock shows `at`.
pub fn instant(at: UnixMillis) -> tokio::time::Instant {
    let left = at.0.saturating_sub(now().0);
    tokio::time::Instant::now() + std::time::Duration::from_millis(left)
}
