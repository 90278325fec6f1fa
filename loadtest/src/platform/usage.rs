//! What each process takes, once a second.

use std::time::Duration;

use fleet_bench_kit::process::{cpu_seconds, pss_mib, rss_mib};

use super::Platform;
use crate::Error;
use crate::record::Record;
use crate::report::Usage;

const PERIOD: Duration = Duration::from_secs(1);
/// Looking at every page of a large process takes long, so it is done for every so manieth sample.
const PSS_EVERY: u64 = 10;

/// Takes samples until it is dropped.
#[derive(Debug)]
pub struct Sampler(tokio::task::JoinHandle<()>);

impl Drop for Sampler {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Platform {
    /// The processes by name; one that does not run is left out.
    fn processes(&self) -> Result<Vec<(&'static str, u32)>, Error> {
        let bed = &self.bed;
        let named = [
            ("operator", self.operator.service().pid()),
            ("nats", bed.nats()?.service().pid()),
            ("api-server", bed.api_server()?.service().pid()),
            ("etcd", bed.etcd()?.service().pid()),
            (
                "controller-manager",
                bed.api_server()?.controller_manager().pid(),
            ),
            ("simulator", Some(std::process::id())),
        ];
        let running = named
            .into_iter()
            .filter_map(|(name, pid)| Some((name, pid?)));
        Ok(running.collect())
    }

    /// Begins to note what the processes take. One that is started again later is not followed:
    /// call this again then.
    ///
    /// # Errors
    /// When the testbed lacks a part.
    pub fn sample(&self, record: &Record) -> Result<Sampler, Error> {
        let (processes, record) = (self.processes()?, record.clone());
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PERIOD);
            let mut number = 0;
            loop {
                ticks.tick().await;
                for (name, pid) in &processes {
                    take(&record, name, *pid, number % PSS_EVERY == 0);
                }
                number += 1;
            }
        });
        Ok(Sampler(task))
    }
}

fn take(record: &Record, name: &str, pid: u32, with_pss: bool) {
    // A process that has just ended has no samples any more.
    let (Ok(rss_mib), Ok(cpu_seconds)) = (rss_mib(pid), cpu_seconds(pid)) else {
        return;
    };
    let usage = Usage {
        at: record.elapsed().as_secs_f64(),
        rss_mib,
        pss_mib: if with_pss { pss_mib(pid).ok() } else { None },
        cpu_seconds,
    };
    let mut notes = record.notes();
    notes
        .processes
        .entry(name.to_owned())
        .or_default()
        .push(usage);
}
