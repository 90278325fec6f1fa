//! A fleet that logs in, loses the bus and comes back; then devices of it that are denied.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::super::stats::{percentile_ms, round};
use super::Settings;
use super::fleet::Fleet;
use super::metrics::Metrics;
use super::scene::Scene;
use crate::Error;

/// All must be there within this time.
const LIMIT: Duration = Duration::from_secs(240);
/// A denied device must be off the bus within this time, or the measurement fails.
const DENIED_WITHIN: Duration = Duration::from_secs(30);
/// From one sign of life to the next.
const PROGRESS: Duration = Duration::from_secs(1);

/// Connects the fleet, restarts the bus, and denies some.
pub(super) async fn measure(
    scene: &Scene,
    settings: Settings,
    say: &impl Fn(&str),
) -> Result<Value, Error> {
    let holders = scene.tokens("device", settings.devices, say)?;
    let nats = scene.bed.nats()?;
    let mut rounds = Rounds { scene, say };
    say("all devices are switched on");
    let start = Instant::now();
    let fleet = Fleet::start(&nats.url(), holders).await?;
    let first = rounds.until_up(&fleet, 1, start).await?;
    say("NATS is killed and started again");
    let before = Metrics::read(scene.callout.metrics_addr()).await?;
    let counted = Counted::of(&fleet);
    nats.kill().await?;
    let start = Instant::now();
    nats.start().await?;
    let again = rounds.until_up(&fleet, 2, start).await?;
    let verdicts = Metrics::read(scene.callout.metrics_addr())
        .await?
        .since(&before);
    let counts = Counted::of(&fleet).since(counted);
    let denied = rounds.deny(&fleet, settings.denials).await?;
    Ok(json!({
        "devices": settings.devices,
        "first_login_all_seconds": round(first.all.as_secs_f64(), 1),
        "restart_all_back_seconds": round(again.all.as_secs_f64(), 1),
        "restart_half_back_seconds": round(percentile_ms(&again.back, 0.5) / 1000.0, 1),
        "restart_99_percent_back_seconds": round(percentile_ms(&again.back, 0.99) / 1000.0, 1),
        "login_p50_ms": percentile_ms(&again.took, 0.5).round(),
        "login_p99_ms": percentile_ms(&again.took, 0.99).round(),
        "callout_p50_ms_at_most": verdicts.within_ms(0.5),
        "callout_p99_ms_at_most": verdicts.within_ms(0.99),
        "verdicts_admitted": verdicts.admitted(),
        "wrongly_refused": counts.refused,
        "refused_by_reason": verdicts.refused(),
        "logins_not_answered_in_time": counts.unanswered,
        "denied_to_disconnected_median_ms": percentile_ms(&denied, 0.5).round(),
        "denied_to_disconnected_max_ms": percentile_ms(&denied, 1.0).round(),
        "denials": settings.denials,
    }))
}

#[derive(Debug, Clone, Copy)]
struct Counted {
    refused: usize,
    unanswered: usize,
}

impl Counted {
    fn of(fleet: &Fleet) -> Self {
        Self {
            refused: fleet.counts.refused.load(Ordering::Relaxed),
            unanswered: fleet.counts.unanswered.load(Ordering::Relaxed),
        }
    }

    fn since(self, earlier: Self) -> Self {
        Self {
            refused: self.refused - earlier.refused,
            unanswered: self.unanswered - earlier.unanswered,
        }
    }
}

/// How a fleet came up.
struct Return {
    all: Duration,
    /// From the start until each device's login.
    back: Vec<Duration>,
    /// How long each login took.
    took: Vec<Duration>,
}

struct Rounds<'a, S> {
    scene: &'a Scene,
    say: &'a S,
}

impl<S: Fn(&str)> Rounds<'_, S> {
    async fn until_up(
        &mut self,
        fleet: &Fleet,
        logins: usize,
        start: Instant,
    ) -> Result<Return, Error> {
        let number = fleet.devices.len();
        let mut said = Instant::now();
        while fleet.up(logins) < number {
            if start.elapsed() > LIMIT {
                let what = format!("all {number} devices are connected: {}", fleet.up(logins));
                return Err(Error::Timeout { what, limit: LIMIT });
            }
            if said.elapsed() >= PROGRESS {
                said = Instant::now();
                let (up, counts) = (fleet.up(logins), Counted::of(fleet));
                let (seconds, refused, late) = (
                    start.elapsed().as_secs_f64(),
                    counts.refused,
                    counts.unanswered,
                );
                (self.say)(&format!(
                    "{seconds:5.1} s: {up} of {number} connected; so far {refused} refused, {late} not answered in time"
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let states = || fleet.devices.iter().map(|device| device.state());
        let back: Vec<_> = states()
            .filter_map(|state| Some(state.since?.saturating_duration_since(start)))
            .collect();
        let all = back.iter().max().copied().unwrap_or_default();
        (self.say)(&format!(
            "all are connected after {:.1} s",
            all.as_secs_f64()
        ));
        Ok(Return {
            all,
            took: states().map(|state| state.took).collect(),
            back,
        })
    }

    /// Denies one after the other, with all others connected.
    async fn deny(&mut self, fleet: &Fleet, number: usize) -> Result<Vec<Duration>, Error> {
        let mut took = vec![];
        for device in fleet.devices.iter().take(number) {
            device.back().await;
            let start = Instant::now();
            self.scene.deny(&device.id)?;
            let lost = tokio::time::timeout(DENIED_WITHIN, device.lost()).await;
            lost.map_err(|_| Error::Timeout {
                what: format!("{} is off the bus after it was denied", device.id),
                limit: DENIED_WITHIN,
            })?;
            took.push(start.elapsed());
            (self.say)(&format!(
                "{} was denied and off the bus after {:.0} ms",
                device.id,
                start.elapsed().as_secs_f64() * 1000.0
            ));
        }
        Ok(took)
    }
}
