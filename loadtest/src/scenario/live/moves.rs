//! Devices change their labels.

use std::time::{Duration, Instant};

use super::{Live, Span};
use crate::Error;
use crate::device::Order;
use crate::fleet::Move;

/// For the last ones to run what they should.
const LIMIT: Duration = Duration::from_secs(120);
/// Between two looks whether they do.
const LOOK: Duration = Duration::from_millis(50);
/// Attempts to find another place for a device.
const TRIES: usize = 16;

/// Has devices be carried elsewhere at a rate, and waits until each runs what it should then.
pub(in super::super) async fn carry(live: &Live, span: Span) -> Result<(), Error> {
    let parameters = &live.scene.parameters;
    let Some(rate) = parameters.moves.filter(|rate| *rate > 0.0) else {
        return Ok(());
    };
    let mut random = fastrand::Rng::with_seed(parameters.seed ^ 0x3070);
    let mut ticks = tokio::time::interval(Duration::from_secs_f64(1.0 / rate));
    let mut withheld = live.scene.withheld();
    let (mut mattered, mut idle, mut deferred) = (0, 0, 0);
    ticks.tick().await;
    while !span.is_over() {
        match carry_one(live, span, withheld.take(), &mut random) {
            Move::Matters => mattered += 1,
            Move::Idle => idle += 1,
            Move::TooSoon => deferred += 1,
        }
        ticks.tick().await;
    }
    let record = &live.scene.record;
    record.count("label_changes", mattered);
    record.count("label_changes_without_effect", idle);
    record.count("label_changes_deferred", deferred);
    let begun = Instant::now();
    let limit = LIMIT.min(live.scene.patience());
    while live.census.moving() > 0 && begun.elapsed() < limit {
        tokio::time::sleep(LOOK).await;
    }
    for _ in 0..live.census.moving() {
        record.error("label change not applied in time");
    }
    Ok(())
}

/// One device, of its own accord; one that keeps it to itself is only believed to have moved.
fn carry_one(live: &Live, span: Span, withheld: Option<usize>, random: &mut fastrand::Rng) -> Move {
    let fleet = &live.scene.fleet;
    let device = withheld.unwrap_or_else(|| random.usize(0..fleet.devices.len()));
    for _ in 0..TRIES {
        let before = live.census.labels(device);
        let labels = fleet.carried(random, &before);
        if labels == before {
            continue;
        }
        let outcome = live.census.relabel(device, &labels);
        if withheld.is_some() {
            if outcome == Move::Matters {
                return outcome;
            }
            continue;
        }
        if outcome != Move::TooSoon {
            let second = span.second();
            live.scene.record.done("label changes", second, 1);
            live.orders
                .give(device, |unit| Order::Relabel { unit, labels });
        }
        return outcome;
    }
    Move::Idle
}
