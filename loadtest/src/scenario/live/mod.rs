//! A fleet that changes while it is looked at: what `many`, `labels` and `mixed` have in common.
//!
//! | module | what it does at a rate |
//! |---|---|
//! | [`reports`] | devices report, also what their containers in memory give no reason for |
//! | [`turnover`] | Deployments are created, changed and deleted |
//! | [`moves`] | devices change their labels |
//! | [`looks`] | statuses are held against the recount |
//!
//! [`leaks`] looks at what must not grow, [`spent`] what all of it costs.

pub(super) mod leaks;
pub(super) mod looks;
pub(super) mod moves;
pub(super) mod reports;
pub(super) mod spent;
pub(super) mod turnover;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agents::{Agents, Orders};
use super::seen::{Seen, Sight};
use super::{Scene, verdict};
use crate::Error;
use crate::fleet::{Census, Counts};
use crate::platform::Platform;
use crate::report::Scenario;

/// Between two drawings of the progress.
const SHOW: Duration = Duration::from_millis(250);
/// Between two looks at what the API server has told.
const LOOK: Duration = Duration::from_millis(10);
/// A recount looks at every device: not for every look.
const RECOUNT: Duration = Duration::from_millis(100);
/// Between two looks at all statuses.
const LOOK_AT_ALL: Duration = Duration::from_millis(500);

/// For how long something goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) begun: Instant,
    pub(super) length: Duration,
}

impl Span {
    /// As the parameters say, from now on.
    pub(super) fn of(scene: &Scene) -> Self {
        Self {
            begun: Instant::now(),
            length: Duration::from_secs(scene.parameters.seconds),
        }
    }

    pub(super) fn is_over(self) -> bool {
        self.begun.elapsed() >= self.length
    }

    /// The number of the second that it is in.
    pub(super) fn second(self) -> usize {
        usize::try_from(self.begun.elapsed().as_secs()).unwrap_or(usize::MAX)
    }

    /// Waits for a moment of it; gives whether that is before its end.
    pub(super) async fn wait_for(self, moment: Duration) -> bool {
        let at = self.begun + moment.min(self.length);
        tokio::time::sleep_until(at.into()).await;
        moment < self.length
    }
}

/// All that tasks need which change the fleet or look at it.
#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) scene: Scene,
    pub(super) census: Arc<Census>,
    pub(super) orders: Orders,
    seen: Seen,
}

impl Live {
    /// Brings up a fleet that runs all its Deployments.
    pub(super) async fn start(scene: &Scene, platform: &Platform) -> Result<(Self, Agents), Error> {
        let census = Arc::new(Census::new(&scene.fleet)?);
        let agents = Agents::counted(scene, platform, Some(Arc::clone(&census))).await?;
        let live = Self {
            scene: scene.clone(),
            census,
            orders: agents.orders(),
            seen: Seen::start(platform.deployments()),
        };
        Ok((live, agents))
    }

    /// Waits until the status of a Deployment, of this generation at least, is what the recount says and
    /// such as wanted; gives when, or what is wrong when the time is over.
    async fn right(
        &self,
        (number, generation): (usize, i64),
        limit: Duration,
        wanted: impl Fn(Counts) -> bool,
    ) -> Result<Instant, String> {
        let (begun, name) = (Instant::now(), format!("load-{number:05}"));
        let mut last: Option<(Counts, Instant)> = None;
        loop {
            let now = Instant::now();
            let sight = self.seen.sight(&name);
            let found = sight.filter(|s| s.generation >= generation);
            let found = found.and_then(|s: Sight| s.counts);
            let is_new =
                |counts| last.is_none_or(|(of, at)| of != counts || at.elapsed() >= RECOUNT);
            if let Some(counts) = found.filter(|counts| wanted(*counts) && is_new(*counts)) {
                last = Some((counts, now));
                if self.census.recount(number) == Some(counts) {
                    return Ok(now);
                }
            }
            if begun.elapsed() > limit {
                let expected = self.census.recount(number);
                return Err(format!("{name}: {sight:?} instead of {expected:?}"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// A status is not right in time.
    fn late(&self, what: &str) {
        self.scene.progress.say(&format!("status late: {what}"));
        self.scene.record.error("status late");
    }

    /// Waits until a Deployment is gone; gives when, or nothing when the time is over.
    async fn gone(&self, number: usize, limit: Duration) -> Option<Instant> {
        let (begun, name) = (Instant::now(), format!("load-{number:05}"));
        while self.seen.sight(&name).is_some() {
            if begun.elapsed() > limit {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
        Some(Instant::now())
    }

    /// Shows how it goes until the time is over.
    pub(super) async fn show(&self, agents: &mut Agents, span: Span) -> Result<(), Error> {
        let Scene {
            record, progress, ..
        } = &self.scene;
        let all = usize::try_from(span.length.as_secs()).unwrap_or(usize::MAX);
        let mut ticks = tokio::time::interval(SHOW);
        let (first, mut before) = (self.census.reports(), self.census.reports());
        while !span.is_over() {
            ticks.tick().await;
            if let Some(error) = agents.failure() {
                return Err(error);
            }
            let (second, stored) = (span.second(), self.census.reports());
            record.done("reports", second, stored - before);
            before = stored;
            let errors: u64 = record.notes().errors.values().sum();
            let figures = format!(
                "{} reports, {} Deployments, {} devices on their way, {errors} errors",
                stored - first,
                self.census.deployments(),
                self.census.moving(),
            );
            progress.step(second, all, &figures);
        }
        Ok(())
    }

    /// Checks that the fleet comes to rest as it should. Errors of these kinds are part of the scenario.
    pub(super) async fn finish(&self, platform: &Platform, expected: &[&str]) -> Result<(), Error> {
        let record = &self.scene.record;
        self.settle(platform).await?;
        let begun = Instant::now();
        let mut astray = self.census.astray();
        while !astray.is_empty() && begun.elapsed() < self.scene.patience() {
            tokio::time::sleep(LOOK_AT_ALL).await;
            astray = self.census.astray();
        }
        let what = "in the end every device runs exactly what it should";
        let found = format!("{} do not: {:.200}", astray.len(), format!("{astray:?}"));
        record.check(what, astray.is_empty(), found);
        self.no_needless_starts();
        verdict::operator_is_sound(&self.scene, platform).await;
        verdict::no_errors_but(&self.scene, expected);
        Ok(())
    }

    /// Where labels change and groups too, the operator may hear of two changes in another order than
    /// they were made in, for they come by two ways: a device may then leave a Deployment for a moment.
    fn no_needless_starts(&self) {
        let (record, restarted) = (&self.scene.record, self.census.restarted());
        if self.scene.parameters.scenario == Scenario::Mixed {
            let pairs = u32::try_from(restarted.len()).unwrap_or(u32::MAX);
            record.figure("pairs_that_left_for_a_moment", pairs.into());
            return;
        }
        let what = "no container was started without a reason";
        let found = format!(
            "{} pairs of device and Deployment: {:.200}",
            restarted.len(),
            format!("{restarted:?}")
        );
        record.check(what, restarted.is_empty(), found);
    }

    /// Waits until there is a right status for each Deployment and no other.
    async fn settle(&self, platform: &Platform) -> Result<(), Error> {
        let (record, begun) = (&self.scene.record, Instant::now());
        let what = "in the end every status is what the recount says";
        loop {
            let (found, expected) = (platform.counts().await?, self.census.recount_all());
            let wrong = differences(&found, &expected);
            let (all, seconds) = (expected.len(), begun.elapsed().as_secs_f64());
            let Some(first) = wrong.first() else {
                record.figure("settle_seconds", seconds);
                record.check(what, true, format!("{all} after {seconds:.1} s"));
                return Ok(());
            };
            if begun.elapsed() > self.scene.patience() {
                let found = format!("{} of {all} are wrong, such as {first}", wrong.len());
                record.check(what, false, found);
                return Ok(());
            }
            let done = all.saturating_sub(wrong.len());
            self.scene.progress.step(done, all, "statuses are right");
            tokio::time::sleep(LOOK_AT_ALL).await;
        }
    }
}

/// What is wrong, in words.
fn differences(
    found: &BTreeMap<String, Option<Counts>>,
    expected: &BTreeMap<String, Counts>,
) -> Vec<String> {
    let wrong = expected.iter().filter_map(|(name, counts)| {
        let said = found.get(name).copied().flatten();
        (said != Some(*counts)).then(|| format!("{name}: {said:?} instead of {counts:?}"))
    });
    let more = found.keys().filter(|name| !expected.contains_key(*name));
    let more = more.map(|name| format!("{name} should be gone"));
    wrong.chain(more).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_that_differ_lack_or_should_be_gone_are_wrong() {
        let one = Counts {
            matched: 1,
            ..Counts::default()
        };
        let text = |name: &str| name.to_owned();
        let expected = BTreeMap::from([(text("a"), one), (text("b"), one), (text("c"), one)]);
        let mut found = BTreeMap::from([(text("a"), Some(one)), (text("b"), None)]);
        found.insert(text("d"), Some(one));
        let wrong = differences(&found, &expected);
        let names: Vec<_> = wrong.iter().map(|line| &line[..1]).collect();
        assert_eq!(names, ["b", "c", "d"]);
    }
}
