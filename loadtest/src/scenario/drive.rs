//! A share of the fleet that reports at its rate.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fleet_bench_kit::Histogram;
use fleet_contracts::payload::Phase;

use super::Scene;
use super::setup::{Share, local};
use crate::Error;
use crate::wire::{Answer, Stored};

/// Between two looks at what is due.
const TICK: Duration = Duration::from_millis(2);
/// Between two sums that others see.
const SUM: Duration = Duration::from_secs(1);
/// Reports under way at once where there is no rate.
const WINDOW: usize = 1_024;
/// How long the last reports may take.
const DRAIN: Duration = Duration::from_secs(60);

/// How long, how often, and where the sum is shown.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// When it began, for all shares the same.
    pub(super) begun: Instant,
    /// How long it goes on.
    pub(super) span: Duration,
    /// Reports stored so far, of all shares.
    pub(super) stored: Arc<AtomicU64>,
}

/// A share on its way.
pub(super) struct Drive {
    scene: Scene,
    share: Share,
    pace: Pace,
    devices: Vec<usize>,
    /// By place in `devices`: whether a report is under way, and which pair was the last.
    busy: Vec<bool>,
    last: Vec<usize>,
    /// By pair: what was said last. True: it failed.
    failed: Vec<bool>,
    /// Reports that were refused or not answered.
    again: VecDeque<Report>,
    next: u64,
    deferred: u64,
    times: Histogram,
    stored: u64,
}

/// A report as the tag of its flight holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Report {
    pair: usize,
    failed: bool,
}

impl Report {
    const fn tag(self) -> usize {
        self.pair * 2 + self.failed as usize
    }

    const fn of(tag: usize) -> Self {
        Self {
            pair: tag / 2,
            failed: tag % 2 == 1,
        }
    }

    const fn phase(self) -> Phase {
        if self.failed {
            Phase::Failed
        } else {
            Phase::Running
        }
    }
}

impl Drive {
    pub(super) fn new(scene: Scene, share: Share, pace: Pace) -> Self {
        let devices = share.devices(&scene);
        Self {
            busy: vec![false; devices.len()],
            last: vec![0; devices.len()],
            failed: vec![false; scene.fleet.pairs.len()],
            again: VecDeque::new(),
            next: 0,
            deferred: 0,
            times: Histogram::default(),
            stored: 0,
            scene,
            share,
            pace,
            devices,
        }
    }

    /// Reports until the time is over and everything is stored.
    pub(super) async fn run(mut self) -> Result<Share, Error> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut sums = tokio::time::interval(SUM);
        let end = self.pace.span + DRAIN;
        loop {
            let over = self.pace.begun.elapsed() >= self.pace.span;
            if over && self.share.lane.under_way() == 0 && self.again.is_empty() {
                break;
            }
            if self.pace.begun.elapsed() > end {
                let lost = self.share.lane.under_way() + self.again.len();
                (0..lost).for_each(|_| self.scene.record.error("report lost"));
                break;
            }
            tokio::select! {
                answer = self.share.lane.answer() => self.take(&answer),
                _ = ticks.tick() => self.send(over).await?,
                _ = sums.tick() => self.sum(),
            }
            if self.scene.parameters.hertz.is_none() && !over {
                self.fill().await?;
            }
        }
        self.sum();
        Ok(self.share)
    }

    /// Sends what is due by now.
    async fn send(&mut self, over: bool) -> Result<(), Error> {
        while let Some(report) = self.again.pop_front() {
            self.report(report).await?;
        }
        if over {
            return Ok(());
        }
        let seconds = self.pace.begun.elapsed().as_secs_f64();
        let count = self.devices.len();
        if let Some(hertz) = self.scene.parameters.hertz {
            while self.next < due(seconds, count, hertz) {
                self.turn().await?;
            }
        }
        Ok(())
    }

    /// Sends as much as may be under way.
    async fn fill(&mut self) -> Result<(), Error> {
        let mut tried = 0;
        while self.share.lane.under_way() < WINDOW && tried < self.devices.len() {
            self.turn().await?;
            tried += 1;
        }
        Ok(())
    }

    /// The next device reports, unless its last report is still under way.
    async fn turn(&mut self) -> Result<(), Error> {
        let local = place(self.next, self.devices.len());
        self.next += 1;
        if self.busy[local] {
            self.deferred += 1;
            return Ok(());
        }
        let report = self.choose(local);
        if self.is_withheld(local) {
            let report = Report {
                failed: true,
                ..report
            };
            self.believe(report);
            return Ok(());
        }
        self.busy[local] = true;
        self.report(report).await
    }

    /// The other phase of the next pair that does not rest; where all rest, the same again.
    fn choose(&mut self, local: usize) -> Report {
        let second = usize::try_from(self.pace.begun.elapsed().as_secs()).unwrap_or(usize::MAX);
        let pairs = self.scene.fleet.devices[self.devices[local]].pairs.clone();
        let (count, last) = (pairs.len().max(1), self.last[local]);
        let rest = self.scene.rest();
        for step in 1..=count {
            let at = (last + step) % count;
            let pair = pairs.start + at;
            if !rest.is_resting(self.scene.fleet.pairs[pair].workload, second) {
                self.last[local] = at;
                self.failed[pair] = !self.failed[pair];
                let failed = self.failed[pair];
                return Report { pair, failed };
            }
        }
        let pair = pairs.start + last;
        let failed = self.failed[pair];
        Report { pair, failed }
    }

    async fn report(&mut self, report: Report) -> Result<(), Error> {
        let Scene { fleet, writer, .. } = &self.scene;
        let message = writer.state(fleet, report.pair, report.phase());
        let place = local(fleet.pairs[report.pair].device);
        self.share.lane.send(place, report.tag(), message).await
    }

    fn take(&mut self, answer: &Answer<usize>) {
        let report = Report::of(answer.tag);
        let stored = answer.stored();
        if stored == Some(Stored::Yes) {
            let device = self.scene.fleet.pairs[report.pair].device;
            self.busy[local(device)] = false;
            self.times.record(answer.took);
            self.stored += 1;
            self.believe(report);
        } else {
            let reason = match stored {
                Some(_) => "report refused",
                None => "report not answered",
            };
            self.scene.record.error(reason);
            self.again.push_back(report);
        }
    }

    fn believe(&self, report: Report) {
        let Scene { fleet, truth, .. } = &self.scene;
        truth.stored(fleet, report.pair, report.phase());
    }

    fn is_withheld(&self, local: usize) -> bool {
        let withheld = self.scene.parameters.withheld.as_deref();
        withheld.is_some_and(|id| self.scene.fleet.devices[self.devices[local]].id.as_ref() == id)
    }

    /// What was counted since the last time goes where others see it.
    fn sum(&mut self) {
        let record = &self.scene.record;
        let second = self.pace.begun.elapsed().as_secs().saturating_sub(1);
        let second = usize::try_from(second).unwrap_or(usize::MAX);
        record.done("reports", second, self.stored);
        record.times("report-stored", &self.times);
        if self.deferred > 0 {
            let mut notes = record.notes();
            let figure = notes.figures.entry("deferred".to_owned()).or_default();
            *figure += f64::from(u32::try_from(self.deferred).unwrap_or(u32::MAX));
        }
        self.pace.stored.fetch_add(self.stored, Ordering::Relaxed);
        (self.stored, self.deferred) = (0, 0);
        self.times = Histogram::default();
        for answer in self.share.lane.expired() {
            self.take(&answer);
        }
    }
}

/// How much is due after so many seconds.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "far below 2^52"
)]
pub(super) fn due(seconds: f64, devices: usize, hertz: f64) -> u64 {
    (seconds * devices as f64 * hertz) as u64
}

/// Whose turn it is.
fn place(number: u64, devices: usize) -> usize {
    usize::try_from(number % devices.max(1) as u64).unwrap_or(0)
}
