//! Looking at statuses while devices report.
//!
//! A status that changes every second cannot be held against a recount that changes, too. So devices
//! leave each Deployment alone for two fifths of the time, one Deployment after the other, and meanwhile
//! report on another: the rate stays, and whatever rests has to become exactly right before it is over.

use std::time::{Duration, Instant};

use fleet_operator_core::replica::Queues;
use futures::stream::{FuturesUnordered, StreamExt as _};

use super::Scene;
use super::seen::Seen;
use crate::platform::Platform;

/// Deployments looked at of those that begin to rest in one second.
const LOOKED_AT: usize = 3;
/// Between two looks at one.
const LOOK: Duration = Duration::from_millis(100);

/// Deployments that change all the time share so many patches a second: what rests may have to wait for
/// its turn among all of them.
const SHARED_RATE: usize = Queues::STATUS_SHARE as usize;

/// When which Deployment is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rest {
    /// Seconds of rest.
    pub(super) seconds: usize,
    period: usize,
}

impl Rest {
    /// For so many Deployments.
    pub(super) const fn of(deployments: usize) -> Self {
        let seconds = 4 + deployments / SHARED_RATE;
        Self {
            seconds,
            period: seconds * 5 / 2,
        }
    }

    /// How long a status may take that rests.
    pub(super) fn limit(self) -> Duration {
        Duration::from_secs(u64::try_from(self.seconds).unwrap_or(u64::MAX))
    }

    const fn begins(self) -> usize {
        self.period - self.seconds
    }

    /// Whether that second is the first of a Deployment's rest.
    const fn starts(self, workload: usize, second: usize) -> bool {
        (second + workload) % self.period == self.begins()
    }

    /// Whether devices leave a Deployment alone in that second.
    pub(super) const fn is_resting(self, workload: usize, second: usize) -> bool {
        (second + workload) % self.period >= self.begins()
    }
}

/// What became of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Look {
    Right,
    Late,
}

/// What the looks found.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Looks {
    pub(super) right: u64,
    pub(super) late: u64,
}

/// Looks for as long as `span`, which begins now.
pub(super) async fn watch(scene: &Scene, platform: &Platform, span: Duration) -> Looks {
    let begun = Instant::now();
    let mut random = fastrand::Rng::with_seed(scene.parameters.seed);
    // To ask for each again and again would be work for the API server that nobody else makes it do.
    let seen = Seen::start(platform.deployments());
    let (mut looks, mut under_way) = (Looks::default(), FuturesUnordered::new());
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut second = 0;
    let resting = scene.rest();
    let rest = resting.limit();
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                // One that cannot finish says nothing.
                if begun.elapsed() + rest > span && under_way.is_empty() {
                    return looks;
                }
                if begun.elapsed() + rest <= span {
                    for workload in chosen(scene, second, &mut random) {
                        under_way.push(look(scene, &seen, workload, begun.elapsed() + rest, begun));
                    }
                }
                second += 1;
            }
            Some(found) = under_way.next() => match found {
                Look::Right => looks.right += 1,
                Look::Late => looks.late += 1,
            },
        }
    }
}

/// Some of those that begin to rest, and that anybody runs.
fn chosen(scene: &Scene, second: usize, random: &mut fastrand::Rng) -> Vec<usize> {
    let fleet = &scene.fleet;
    let rest = scene.rest();
    let begins = |n: &usize| rest.starts(*n, second) && !fleet.workloads[*n].pairs.is_empty();
    let all: Vec<_> = (0..fleet.workloads.len()).filter(begins).collect();
    random.choose_multiple(all, LOOKED_AT)
}

async fn look(scene: &Scene, seen: &Seen, workload: usize, end: Duration, begun: Instant) -> Look {
    let name = scene.fleet.workloads[workload].reference.name.to_string();
    loop {
        let found = seen.sight(&name).and_then(|sight| sight.counts);
        let expected = scene.truth.recount(&scene.fleet, workload);
        if found == Some(expected) {
            let silent = scene.truth.silent(workload);
            scene
                .record
                .time("status-right-after-last-report-at-most", silent);
            return Look::Right;
        }
        if begun.elapsed() + LOOK > end {
            let late = format!("status of {name} late: {found:?} instead of {expected:?}");
            scene.progress.say(&late);
            scene.record.error("status late");
            return Look::Late;
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rests_two_fifths_of_the_time_and_long_enough_for_its_turn() {
        assert_eq!(Rest::of(40).seconds, 4);
        assert_eq!(Rest::of(1_000).seconds, 24);
        for deployments in [40, 1_000] {
            let rest = Rest::of(deployments);
            for workload in 0..100 {
                let resting = (0..rest.period).filter(|second| rest.is_resting(workload, *second));
                assert_eq!(resting.count(), rest.seconds);
                let starts = (0..rest.period).filter(|second| rest.starts(workload, *second));
                assert!(
                    starts
                        .map(|second| rest.is_resting(workload, second))
                        .eq([true])
                );
            }
            let share = (0..rest.period).filter(|workload| rest.is_resting(*workload, 17));
            assert_eq!(share.count(), rest.seconds);
        }
    }
}
