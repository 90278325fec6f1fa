//! Looking at statuses while devices report.
//!
//! A status that changes every second cannot be held against a recount that changes, too. So devices
//! leave each Deployment alone for four seconds of ten, one Deployment after the other, and meanwhile
//! report on another: the rate stays, and whatever rests has to become exactly right.

use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};

use super::Scene;
use crate::fleet::Counts;
use crate::platform::Platform;

/// The period, and when in it the rest begins, in seconds.
const PERIOD: usize = 10;
const REST: usize = 6;
/// Deployments looked at of those that begin to rest in one second.
const LOOKED_AT: usize = 3;
/// Between two looks at one.
const LOOK: Duration = Duration::from_millis(100);

/// Whether devices leave a Deployment alone in that second.
pub(super) fn is_resting(workload: usize, second: usize) -> bool {
    (second + workload) % PERIOD >= REST
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
    let (mut looks, mut under_way) = (Looks::default(), FuturesUnordered::new());
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    let mut second = 0;
    let rest = Duration::from_secs((PERIOD - REST) as u64);
    loop {
        tokio::select! {
            _ = ticks.tick() => {
                // One that cannot finish says nothing.
                if begun.elapsed() + rest > span && under_way.is_empty() {
                    return looks;
                }
                if begun.elapsed() + rest <= span {
                    for workload in chosen(scene, second, &mut random) {
                        under_way.push(look(scene, platform, workload, begun.elapsed() + rest, begun));
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
    let begins = |n: &usize| (second + n) % PERIOD == REST && !fleet.workloads[*n].pairs.is_empty();
    let all: Vec<_> = (0..fleet.workloads.len()).filter(begins).collect();
    random.choose_multiple(all, LOOKED_AT)
}

async fn look(
    scene: &Scene,
    platform: &Platform,
    workload: usize,
    end: Duration,
    begun: Instant,
) -> Look {
    let name = scene.fleet.workloads[workload].reference.name.to_string();
    let api = platform.deployments();
    loop {
        let status = api.get(&name).await.ok().and_then(|object| object.status);
        let found = status.as_ref().map(Counts::of);
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
    fn each_rests_four_seconds_of_ten_and_four_of_ten_at_a_time() {
        for workload in 0..30 {
            let resting = (0..PERIOD).filter(|second| is_resting(workload, *second));
            assert_eq!(resting.count(), 4);
        }
        for second in 0..30 {
            let resting = (0..10).filter(|workload| is_resting(*workload, second));
            assert_eq!(resting.count(), 4);
        }
    }
}
