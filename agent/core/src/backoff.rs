//! Time, dice and back-off.

use std::ops::Add;

use serde::{Deserialize, Serialize};

/// Milliseconds on the device's monotonic clock, from an arbitrary start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tick(pub u64);

impl Tick {
    /// Milliseconds from `earlier` to this; 0 if `earlier` is later.
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<u64> for Tick {
    type Output = Self;

    fn add(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// A source of numbers, uniform in `0..1`.
pub type Dice<'a> = &'a mut dyn FnMut() -> f64;

/// A number below `below`, uniform: for phases and full jitter.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "delays are far below 2^52 ms, and a rounded millisecond does not matter"
)]
pub fn jitter(below: u64, dice: Dice<'_>) -> u64 {
    (below as f64 * dice().clamp(0.0, 1.0)) as u64
}

/// How delays grow: doubled from `base` with every attempt up to `cap`, half of each random.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The first delay, in milliseconds.
    pub base: u64,
    /// The longest, in milliseconds.
    pub cap: u64,
}

impl Backoff {
    /// The delay after `attempts` failures in a row (the first is 1).
    pub fn delay(self, attempts: u32, dice: Dice<'_>) -> u64 {
        let doublings = attempts.saturating_sub(1).min(32);
        let full = self.base.saturating_mul(1 << doublings).min(self.cap);
        full / 2 + jitter(full - full / 2, dice)
    }
}

/// Reconnecting to the bus: full jitter, so that a fleet never comes back in step.
pub fn reconnect_delay(attempts: usize, dice: Dice<'_>) -> u64 {
    let doublings = attempts.saturating_sub(1).min(8);
    100 + jitter((500_u64 << doublings).min(30_000), dice)
}

/// Until the next safety-net sync, between 5 and 15 minutes.
pub fn resync_delay(dice: Dice<'_>) -> u64 {
    300_000 + jitter(600_000, dice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_cap_and_half_is_random() {
        let backoff = Backoff {
            base: 1000,
            cap: 5000,
        };
        let low: Vec<_> = (1..6).map(|n| backoff.delay(n, &mut || 0.0)).collect();
        let high: Vec<_> = (1..6).map(|n| backoff.delay(n, &mut || 1.0)).collect();
        assert_eq!(low, [500, 1000, 2000, 2500, 2500]);
        assert_eq!(high, [1000, 2000, 4000, 5000, 5000]);
    }

    #[test]
    fn a_fleet_spreads_its_return() {
        assert_eq!(reconnect_delay(1, &mut || 0.0), 100);
        assert_eq!(reconnect_delay(1000, &mut || 1.0), 30_100);
        assert_eq!(resync_delay(&mut || 0.5), 600_000);
    }
}
