use std::time::Duration;

/// Exponential back-off with full jitter over half of the delay.
#[derive(Debug, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);

    /// How long to wait after one more failure.
    pub fn failed(&mut self) -> Duration {
        let full = (Self::FIRST * 2_u32.pow(self.failures.min(10))).min(Self::LONGEST);
        self.failures = self.failures.saturating_add(1);
        full / 2 + (full / 2).mul_f64(fastrand::f64())
    }

    /// Begins anew after a success.
    pub const fn reset(&mut self) {
        self.failures = 0;
    }
}
