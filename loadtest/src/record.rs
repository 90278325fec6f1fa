//! What is noted on the way. It is shared, so that whatever was noted is there when a run is stopped.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleet_bench_kit::Histogram;

use crate::report::{Check, Gauge, Usage, cpu_seconds};

/// The notes so far.
#[derive(Debug, Default)]
pub struct Notes {
    /// Distributions by name.
    pub latencies: BTreeMap<String, Histogram>,
    /// How often what went wrong.
    pub errors: BTreeMap<String, u64>,
    /// How much was done in each second since the series began.
    pub throughput: BTreeMap<String, Vec<u64>>,
    /// What has to hold, and whether it did.
    pub checks: Vec<Check>,
    /// Single figures.
    pub figures: BTreeMap<String, f64>,
    /// What each process took.
    pub processes: BTreeMap<String, Vec<Usage>>,
    /// What else was looked at now and then.
    pub gauges: BTreeMap<String, Vec<Gauge>>,
    /// Versions of the servers.
    pub versions: BTreeMap<String, String>,
}

/// A notebook that several tasks write into.
#[derive(Debug, Clone)]
pub struct Record {
    begun: Instant,
    notes: Arc<Mutex<Notes>>,
}

impl Default for Record {
    fn default() -> Self {
        Self {
            begun: Instant::now(),
            notes: Arc::default(),
        }
    }
}

impl Record {
    /// How long the run has been going on.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The notes.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One time of a distribution.
    pub fn time(&self, name: &str, time: Duration) {
        entry(&mut self.notes().latencies, name).record(time);
    }

    /// All times of a part of a distribution.
    pub fn times(&self, name: &str, times: &Histogram) {
        entry(&mut self.notes().latencies, name).merge(times);
    }

    /// Something went wrong.
    pub fn error(&self, reason: &str) {
        *entry(&mut self.notes().errors, reason) += 1;
    }

    /// A figure, its unit at the end of its name.
    pub fn figure(&self, name: &str, value: f64) {
        let rounded = fleet_bench_kit::stats::round(value, 3);
        self.notes().figures.insert(name.to_owned(), rounded);
    }

    /// A figure that is a number of things.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn count(&self, name: &str, count: u64) {
        self.figure(name, count as f64);
    }

    /// So much of something there is now.
    pub fn gauge(&self, name: &str, value: f64) {
        let at = self.elapsed().as_secs_f64();
        entry(&mut self.notes().gauges, name).push(Gauge { at, value });
    }

    /// Processor time of each process so far, by names as figures have them.
    pub fn cpu(&self) -> BTreeMap<String, f64> {
        let notes = self.notes();
        let all = notes.processes.iter();
        all.map(|(name, usages)| (name.replace('-', "_"), cpu_seconds(usages)))
            .collect()
    }

    /// Notes how much of a processor each process took since [`cpu`](Self::cpu) gave `before`.
    pub fn cpu_since(&self, before: &BTreeMap<String, f64>, span: Duration) {
        for (name, after) in self.cpu() {
            let before = before.get(&name).copied().unwrap_or_default();
            let percent = (after - before) / span.as_secs_f64() * 100.0;
            self.figure(&format!("{name}_cpu_percent"), percent);
        }
    }

    /// Notes the processor time of each process since [`cpu`](Self::cpu) gave `before`, divided by how often
    /// something was done meanwhile.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn cpu_for_each(&self, before: &BTreeMap<String, f64>, what: &str, times: u64) {
        for (name, after) in self.cpu() {
            let before = before.get(&name).copied().unwrap_or_default();
            let micros = (after - before) * 1e6 / times.max(1) as f64;
            self.figure(&format!("{name}_cpu_us_per_{what}"), micros);
        }
    }

    /// This was done in that second of a series.
    pub fn done(&self, series: &str, second: usize, count: u64) {
        let mut notes = self.notes();
        let seconds = entry(&mut notes.throughput, series);
        if seconds.len() <= second {
            seconds.resize(second + 1, 0);
        }
        seconds[second] += count;
    }

    /// Something that has to hold.
    pub fn check(&self, what: &str, held: bool, found: impl Into<String>) {
        self.checked(what, held, found.into(), false);
    }

    /// Something that has to hold in time, on a machine that does nothing else.
    pub fn check_time(&self, what: &str, held: bool, found: impl Into<String>) {
        self.checked(what, held, found.into(), true);
    }

    fn checked(&self, what: &str, held: bool, found: String, timed: bool) {
        self.notes().checks.push(Check {
            what: what.to_owned(),
            held,
            found,
            timed,
        });
    }
}

fn entry<'a, V: Default>(map: &'a mut BTreeMap<String, V>, name: &str) -> &'a mut V {
    map.entry(name.to_owned()).or_default()
}
