//! What a run says in the end: one JSON document, whose form is a contract with whoever keeps a
//! history of them.

mod parameters;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use fleet_bench_kit::{Histogram, Machine};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Error;
pub use parameters::{CHANGES, Connections, Credentials, HERTZ, Kill, MOVES, Parameters, Scenario};

/// The version of [`Report`] that this program writes and reads.
pub const SCHEMA_VERSION: u32 = 1;

/// All that a run found out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// [`SCHEMA_VERSION`] of whoever wrote it.
    pub schema_version: u32,
    /// What was done, to how many.
    pub parameters: Parameters,
    /// On what, and of which commit.
    pub machine: Machine,
    /// Versions of the servers.
    pub versions: BTreeMap<String, String>,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took, with all preparations.
    pub seconds: f64,
    /// Whether somebody stopped it before its end; figures are of what was done by then.
    pub interrupted: bool,
    /// Why it could not be finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// What was not real, in words.
    pub simulated: Vec<String>,
    /// What has to hold, and whether it did.
    pub checks: Vec<Check>,
    /// Single figures by name; the name ends in the unit.
    pub figures: BTreeMap<String, f64>,
    /// Distributions by name.
    pub latencies: BTreeMap<String, Latencies>,
    /// How often what went wrong.
    pub errors: BTreeMap<String, u64>,
    /// How much was done in each second, by what it was.
    pub throughput: BTreeMap<String, Vec<u64>>,
    /// What each process took.
    pub processes: BTreeMap<String, Vec<Usage>>,
    /// What else was looked at now and then.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub gauges: BTreeMap<String, Vec<Gauge>>,
}

/// Something that has to hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What.
    pub what: String,
    /// Whether it did.
    pub held: bool,
    /// What was found.
    pub found: String,
    /// Whether it is about time: a machine that is busy with other things may not hold it.
    #[serde(default)]
    pub timed: bool,
}

/// A distribution of times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Latencies {
    /// How many there are.
    pub count: u64,
    /// Half of them are no longer.
    pub p50_ms: f64,
    /// Nine of ten.
    pub p90_ms: f64,
    /// 99 of 100.
    pub p99_ms: f64,
    /// 999 of 1,000.
    pub p999_ms: f64,
    /// All of them.
    pub max_ms: f64,
    /// Each bucket that is not empty.
    pub buckets: Histogram,
}

impl From<Histogram> for Latencies {
    fn from(buckets: Histogram) -> Self {
        let at = |part| buckets.percentile_ms(part).unwrap_or_default();
        Self {
            count: buckets.count(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: buckets.max_ms().unwrap_or_default(),
            buckets,
        }
    }
}

/// What a process takes at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    /// Seconds since the run began.
    pub at: f64,
    /// Its memory in use, shared pages counted in full.
    pub rss_mib: f64,
    /// The same with shared pages counted in part; not at every moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pss_mib: Option<f64>,
    /// Its processor time so far.
    pub cpu_seconds: f64,
}

/// Something at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Gauge {
    /// Seconds since the run began.
    pub at: f64,
    /// How much of it there was.
    pub value: f64,
}

/// Processor time between the first sample and the last, also of a process that was started again.
pub fn cpu_seconds(usages: &[Usage]) -> f64 {
    let pairs = usages.iter().zip(usages.iter().skip(1));
    pairs.map(|(one, next)| cpu_between(one, next)).sum()
}

/// Processor time from one sample to the next. A process that was started again counts from zero.
pub fn cpu_between(one: &Usage, next: &Usage) -> f64 {
    if next.cpu_seconds < one.cpu_seconds {
        next.cpu_seconds
    } else {
        next.cpu_seconds - one.cpu_seconds
    }
}

/// The newest of each scenario, set-up and size, in that order.
pub fn newest<'a>(reports: impl IntoIterator<Item = &'a Report>) -> Vec<&'a Report> {
    let mut newest: BTreeMap<_, &Report> = BTreeMap::new();
    for report in reports {
        let asked = &report.parameters;
        let of = (asked.scenario, asked.options(), asked.devices);
        let kept = newest.entry(of).or_insert(report);
        if report.started_at > kept.started_at {
            *kept = report;
        }
    }
    newest.into_values().collect()
}

impl Report {
    /// Whether it was finished and all that has to hold did.
    pub fn passed(&self) -> bool {
        !self.interrupted && self.failure.is_none() && self.checks.iter().all(|check| check.held)
    }

    /// The one line for standard output: the figures and whether they count.
    pub fn line(&self) -> Value {
        let latencies = self.latencies.iter().map(|(name, l)| {
            let short = json!({"p50_ms": l.p50_ms, "p99_ms": l.p99_ms, "max_ms": l.max_ms});
            (name.clone(), short)
        });
        let broken = self.checks.iter().filter(|check| !check.held);
        json!({
            "scenario": self.parameters.scenario,
            "devices": self.parameters.devices,
            "deployments": self.parameters.deployments,
            "connections": self.parameters.connections,
            "credentials": self.parameters.credentials,
            "nats": self.parameters.nats,
            "operators": self.parameters.operators,
            "passed": self.passed(),
            "interrupted": self.interrupted,
            "failure": self.failure,
            "broken": broken.collect::<Vec<_>>(),
            "figures": self.figures,
            "latencies": latencies.collect::<serde_json::Map<_, _>>(),
            "errors": self.errors,
            "simulated": self.simulated,
            "machine": self.machine,
        })
    }

    /// Writes it into a folder, under a name that says what it is; gives the path.
    ///
    /// # Errors
    /// When that cannot be written.
    pub fn save(&self, folder: &Path) -> Result<PathBuf, Error> {
        let Parameters {
            scenario, devices, ..
        } = &self.parameters;
        let moment: String = self
            .started_at
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .take("20260101T000000".len())
            .collect();
        let commit = &self.machine.commit;
        let path = folder.join(format!("{scenario}-{devices}-{commit}-{moment}.json"));
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        let text = format!("{:#}\n", json!(self));
        std::fs::write(&path, text).map_err(Error::file(&path))?;
        Ok(path)
    }

    /// Reads one.
    ///
    /// # Errors
    /// When there is none, or one of another version.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read(path).map_err(Error::file(path))?;
        let malformed = |source| Error::Malformed {
            path: path.to_owned(),
            source,
        };
        let value: Value = serde_json::from_slice(&text).map_err(malformed)?;
        let version = value["schemaVersion"].as_u64().unwrap_or_default();
        let found = u32::try_from(version).unwrap_or(u32::MAX);
        if found != SCHEMA_VERSION {
            return Err(Error::Version {
                path: path.to_owned(),
                found,
                known: SCHEMA_VERSION,
            });
        }
        serde_json::from_value(value).map_err(malformed)
    }
}
