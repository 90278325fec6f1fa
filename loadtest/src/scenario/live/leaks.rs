//! What grows where something is forgotten: consumers and connections on the bus, open files, memory,
//! disk.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fleet_bench_kit::process::{open_files, threads};
use fleet_bus::async_nats::Client;
use serde_json::Value;

use super::super::Scene;
use super::Span;
use crate::Error;
use crate::platform::Platform;
use crate::report::{Gauge, Usage};
use crate::trend::trend;

/// Samples of a run.
const SAMPLES: u32 = 240;
/// Between two of them at least.
const PERIOD: Duration = Duration::from_secs(2);
/// For what was left by whoever died to be noticed: the bus keeps a consumer for half a minute, and
/// connections to the API server stay open for a minute and a half.
const LIMIT: Duration = Duration::from_secs(180);
/// Between two looks whether it was.
const LOOK: Duration = Duration::from_secs(1);
/// Connections to the API server come and go with how much there is to write at once.
const ROOM: f64 = 16.0;
const HOUR: f64 = 3_600.0;

/// What must not be more in the end than in the beginning, and how much more is none.
const HELD: [(&str, f64); 5] = [
    ("bus consumers", 0.0),
    ("bus connections", 0.0),
    ("bus subscriptions", ROOM),
    ("operator descriptors", ROOM),
    ("nats descriptors", ROOM),
];

/// Looks at all of it.
pub(in super::super) struct Leaks<'a> {
    scene: &'a Scene,
    platform: &'a Platform,
    /// Of the bus's own account, which may ask how it is.
    system: Client,
}

impl<'a> Leaks<'a> {
    pub(in super::super) async fn new(
        scene: &'a Scene,
        platform: &'a Platform,
    ) -> Result<Self, Error> {
        let nats = platform.bed.nats()?;
        let system = nats.client_with_seed(&nats.system_seed()).await?;
        Ok(Self {
            scene,
            platform,
            system,
        })
    }

    /// Takes samples for as long as the span.
    pub(in super::super) async fn watch(&self, span: Span) -> Result<(), Error> {
        let mut ticks = tokio::time::interval((span.length / SAMPLES).max(PERIOD));
        while !span.is_over() {
            ticks.tick().await;
            self.sample().await?;
        }
        Ok(())
    }

    /// All of it as it is now; also noted.
    pub(in super::super) async fn sample(&self) -> Result<BTreeMap<String, f64>, Error> {
        let mut found = BTreeMap::new();
        let server = self.ask("VARZ").await?;
        for (name, field) in [
            ("bus connections", "connections"),
            ("bus subscriptions", "subscriptions"),
        ] {
            found.insert(name.to_owned(), number(&server, field)?);
        }
        let streams = self.ask("JSZ").await?;
        found.insert("bus consumers".to_owned(), number(&streams, "consumers")?);
        let bed = &self.platform.bed;
        let processes = [
            ("operator", self.platform.operator.service().pid()),
            ("nats", bed.nats()?.service().pid()),
        ];
        for (name, pid) in processes {
            // One that is being started again has nothing open.
            if let Some(pid) = pid
                && let (Ok(files), Ok(threads)) = (open_files(pid), threads(pid))
            {
                found.insert(format!("{name} descriptors"), of(files));
                found.insert(format!("{name} threads"), of(threads));
            }
        }
        for name in ["nats", "etcd"] {
            let taken = self.platform.disk_mib(name).await?;
            found.insert(format!("{name} disk, MiB"), taken);
        }
        for (name, value) in &found {
            self.scene.record.gauge(name, *value);
        }
        Ok(found)
    }

    /// Waits until there is no more of anything than in the beginning, and notes what there is.
    pub(in super::super) async fn compare(
        &self,
        before: &BTreeMap<String, f64>,
    ) -> Result<(), Error> {
        let (begun, record) = (Instant::now(), &self.scene.record);
        let after = loop {
            let now = self.sample().await?;
            let held = HELD.iter().all(|held| !grew(before, &now, *held));
            if held || begun.elapsed() > LIMIT {
                break now;
            }
            self.scene.progress.step(0, 1, "what was left goes");
            tokio::time::sleep(LOOK).await;
        };
        record.figure("cleared_seconds", begun.elapsed().as_secs_f64());
        for held in HELD {
            let (name, room) = held;
            let (was, is) = (before.get(name), after.get(name));
            let what = if room > 0.0 {
                format!("no more {name} in the end than in the beginning, give or take {room}")
            } else {
                format!("no more {name} in the end than in the beginning")
            };
            let found = format!("{was:?} before, {is:?} after");
            record.check(&what, !grew(before, &after, held), found);
        }
        for (name, is) in &after {
            let name = name.replace([',', ' '], "_").replace("__", "_");
            record.figure(&name.to_lowercase(), *is);
        }
        for (name, _) in HELD {
            if let (Some(was), Some(is)) = (before.get(name), after.get(name)) {
                let name = name.replace(' ', "_");
                record.figure(&format!("{name}_more"), is - was);
            }
        }
        Ok(())
    }

    /// Notes how memory and disk rose in the second half of the span, by the hour.
    pub(in super::super) fn rises(&self, from: f64, to: f64) {
        let half = f64::midpoint(from, to);
        let within = |at: f64| at >= half && at <= to;
        let notes = self.scene.record.notes();
        let mut lines: Vec<(String, Vec<(f64, f64)>)> = Vec::new();
        for name in ["operator", "nats"] {
            let usages = notes.processes.get(name).map_or(&[][..], Vec::as_slice);
            let points = usages.iter().filter(|u: &&Usage| within(u.at));
            let points = points.map(|u| (u.at / HOUR, u.rss_mib)).collect();
            lines.push((format!("{name}_memory_mib_per_hour"), points));
        }
        for name in ["nats", "etcd"] {
            let gauges = notes.gauges.get(&format!("{name} disk, MiB"));
            let gauges = gauges.map_or(&[][..], Vec::as_slice);
            let points = gauges.iter().filter(|g: &&Gauge| within(g.at));
            let points = points.map(|g| (g.at / HOUR, g.value)).collect();
            lines.push((format!("{name}_disk_mib_per_hour"), points));
        }
        drop(notes);
        for (name, points) in lines {
            if let Some(found) = trend(&points) {
                self.scene.record.figure(&name, found.rise);
                let error = format!("{name}_error");
                self.scene.record.figure(&error, found.error);
            }
        }
    }

    /// What the server says of itself.
    async fn ask(&self, what: &str) -> Result<Value, Error> {
        let subject = format!("$SYS.REQ.SERVER.PING.{what}");
        let answer = self.system.request(subject, "".into()).await;
        let answer = answer.map_err(Error::bus("ask how the server is"))?;
        let answer: Value = serde_json::from_slice(&answer.payload)
            .map_err(Error::bus("read how the server is"))?;
        Ok(answer["data"].clone())
    }
}

impl std::fmt::Debug for Leaks<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leaks").finish_non_exhaustive()
    }
}

/// Whether there is more of it than there may be. What is not known is not held.
fn grew(
    before: &BTreeMap<String, f64>,
    after: &BTreeMap<String, f64>,
    (name, room): (&str, f64),
) -> bool {
    match (before.get(name), after.get(name)) {
        (Some(before), Some(after)) => *after > before + room,
        _ => true,
    }
}

fn number(value: &Value, field: &'static str) -> Result<f64, Error> {
    let number = value[field].as_f64();
    number.ok_or_else(|| {
        let missing = format!("it does not say {field}");
        Error::bus("read how the server is")(missing)
    })
}

#[expect(clippy::cast_precision_loss, reason = "numbers are far below 2^52")]
fn of(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_is_a_leak_and_so_is_what_nobody_knows() {
        let of = |value: f64| BTreeMap::from([("bus consumers".to_owned(), value)]);
        let held = HELD[0];
        assert!(!grew(&of(4.0), &of(4.0), held) && !grew(&of(4.0), &of(3.0), held));
        assert!(grew(&of(4.0), &of(5.0), held));
        assert!(grew(&of(4.0), &BTreeMap::new(), held));
    }
}
