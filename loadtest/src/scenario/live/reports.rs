//! Devices report, each at its rate, on what they run.

use std::time::Duration;

use fleet_contracts::payload::Phase;

use super::super::drive::due;
use super::{Live, Span};
use crate::device::Order;

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
                let said = (turn.revision, Phase::Failed);
                census.believe(device, turn.number, Some(said));
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
                message,
            });
        }
    }
    scene.record.count("reports_deferred", deferred);
}
