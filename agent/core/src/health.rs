//! Whether a running service works.

use fleet_contracts::score::HealthCheck;

use crate::backoff::Tick;

/// What the checks say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Verdict {
    /// None has succeeded yet, and there is still time.
    #[default]
    Starting,
    /// The last ones succeeded.
    Healthy,
    /// Too many failed in a row, or none succeeded in time.
    Unhealthy,
}

/// The checks of one run of one container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Health {
    /// What they say.
    pub verdict: Verdict,
    /// Why the last one failed; empty if it did not.
    pub last_error: String,
    failures: u32,
    probes: u32,
    next: Tick,
}

/// Between the first checks of a run, in milliseconds: a service that is up at once is seen so.
const FIRST_PROBE: u64 = 100;

impl Health {
    /// For a run that began at `now`: the first check is due at once.
    pub fn begin(now: Tick) -> Self {
        Self {
            next: now,
            ..Self::default()
        }
    }

    /// When the next check is due.
    pub const fn next(&self) -> Tick {
        self.next
    }

    /// Takes the result of a check on a run that began at `since`.
    pub fn record(
        &mut self,
        check: &HealthCheck,
        since: Tick,
        now: Tick,
        result: Result<(), String>,
    ) {
        let interval = u64::from(check.interval()) * 1000;
        self.probes = self.probes.saturating_add(1);
        match result {
            Ok(()) => {
                self.verdict = Verdict::Healthy;
                self.failures = 0;
                self.last_error.clear();
            }
            Err(error) => {
                self.failures = self.failures.saturating_add(1);
                self.last_error = error;
                self.judge(check, interval, now.since(since));
            }
        }
        let pause = match self.verdict {
            Verdict::Starting => (FIRST_PROBE << self.probes.min(16)).min(interval),
            Verdict::Healthy | Verdict::Unhealthy => interval,
        };
        self.next = now + pause;
    }

    fn judge(&mut self, check: &HealthCheck, interval: u64, age: u64) {
        let retries = check.retries();
        // Early checks come faster than the interval, so before the first success it is time that counts.
        let patience = u64::from(check.start_period()) * 1000 + interval * u64::from(retries);
        let failed = match self.verdict {
            Verdict::Starting => age >= patience,
            Verdict::Healthy => self.failures >= retries,
            Verdict::Unhealthy => true,
        };
        if failed {
            self.verdict = Verdict::Unhealthy;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check() -> HealthCheck {
        serde_json::from_str(r#"{"command":["true"],"intervalSeconds":2,"retries":2}"#)
            .expect("json")
    }

    #[test]
    fn a_service_that_never_answers_becomes_unhealthy_after_retries_times_interval() {
        let mut health = Health::begin(Tick(0));
        let mut verdicts = vec![];
        while health.next() <= Tick(8000) {
            let now = health.next();
            health.record(&check(), Tick(0), now, Err("no".into()));
            verdicts.push((now.0, health.verdict));
        }
        assert!(
            verdicts
                .iter()
                .all(|(at, v)| (*v == Verdict::Unhealthy) == (*at >= 4000)),
            "{verdicts:?}"
        );
    }

    #[test]
    fn one_failure_of_two_is_forgiven_two_are_not_and_success_heals() {
        let mut health = Health::begin(Tick(0));
        let mut after = |at, result: Result<(), &str>| {
            health.record(&check(), Tick(0), Tick(at), result.map_err(String::from));
            (health.verdict, health.next())
        };
        assert_eq!(after(100, Ok(())), (Verdict::Healthy, Tick(2100)));
        assert_eq!(after(9000, Err("no")).0, Verdict::Healthy);
        assert_eq!(after(11_000, Err("no")).0, Verdict::Unhealthy);
        assert_eq!(after(13_000, Ok(())).0, Verdict::Healthy);
    }
}
