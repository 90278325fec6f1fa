//! Devices report, each at its rate, on what they run.

use std::time::{Duration, Instant};

use fleet_contracts::payload::Phase;

use super::super::drive::due;
use super::{Live, Span};
use crate::device::Order;
use crate::fleet::{Census, Turn};

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(5);
/// Reports under way at once: what more is due is left out.
const WINDOW: u64 = 8_192;

/// Has each device say, in turn, of each Deployment that it failed, and the next time that it runs.
/// Nothing in the device itself gives a reason for that: these reports go beside those of its agent.
pub(in super::super) async fn report(live: Live, span: Span) {
    let Live {
        scene,
        census,
        orders,
        ..
    } = live;
    let count = scene.fleet.devices.len();
    let hertz = scene.parameters.hertz.unwrap_or(1.0);
    let (mut last, withheld) = (vec![0; count], scene.withheld());
    let (mut next, mut given, mut deferred) = (0_u64, 0_u64, 0_u64);
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !span.is_over() {
        ticks.tick().await;
        let due = due(span.begun.elapsed().as_secs_f64(), count, hertz);
        while next < due {
            let device = usize::try_from(next % count as u64).unwrap_or_default();
            next += 1;
            if given - census.answered() >= WINDOW {
                deferred += 1;
                continue;
            }
            let Some(turn) = census.turn(device, last[device]) else {
                continue;
            };
            last[device] = turn.number;
            if withheld == Some(device) {
                only_believed(&census, device, &turn);
                continue;
            }
            let id = &scene.fleet.devices[device].id;
            let message = scene
                .writer
                .report(id, &turn.deployment, turn.revision, turn.phase);
            given += 1;
            orders.give(device, |unit| Order::Report {
                unit,
                deployment: turn.deployment,
                revision: turn.revision,
                message,
            });
        }
    }
    scene.record.count("reports_deferred", deferred);
}

/// After the last change, so that no report of the device's own sets right what is wrong: the device that is
/// to keep something to itself does so once more. That there is something is a check.
pub(in super::super) async fn keep_back(live: &Live) {
    let Some(device) = live.scene.withheld() else {
        return;
    };
    let (begun, patience) = (Instant::now(), live.scene.patience());
    let turn = loop {
        let turn = live.census.turn(device, 0);
        if turn.is_some() || begun.elapsed() > patience {
            break turn;
        }
        tokio::time::sleep(TICK).await;
    };
    if let Some(turn) = &turn {
        only_believed(&live.census, device, turn);
    }
    let what = "a report was kept back";
    let found = turn.map_or_else(String::new, |turn| turn.deployment.to_string());
    live.scene.record.check(what, !found.is_empty(), found);
}

fn only_believed(census: &Census, device: usize, turn: &Turn) {
    let said = (turn.revision, Phase::Failed);
    census.believe(device, turn.number, Some(said));
}
