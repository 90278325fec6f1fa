//! What each process takes, once a second.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fleet_bench_kit::process::{cpu_seconds, pss_mib, rss_mib};

use super::Platform;
use crate::Error;
use crate::record::Record;
use crate::report::Usage;

const PERIOD: Duration = Duration::from_secs(1);
/// Looking at every page of a large process takes long, so it is done for every so manieth sample.
const PSS_EVERY: u64 = 10;

/// Names and process ids.
type Processes = Vec<(String, u32)>;

/// Takes samples until it is dropped.
#[derive(Debug)]
pub struct Sampler {
    task: tokio::task::JoinHandle<()>,
    processes: Arc<Mutex<Processes>>,
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sampler {
    /// Follows the processes that run now: some may have been started again.
    ///
    /// # Errors
    /// When the testbed lacks a part.
    pub fn renew(&self, platform: &Platform) -> Result<(), Error> {
        let running = platform.processes()?;
        *list(&self.processes) = running;
        Ok(())
    }
}

fn list(processes: &Mutex<Processes>) -> MutexGuard<'_, Processes> {
    processes.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Platform {
    /// The processes by name; one that does not run is left out.
    fn processes(&self) -> Result<Processes, Error> {
        let (bed, nats) = (&self.bed, self.bed.nats()?);
        let named = [
            ("operator", self.operator.service().pid()),
            (
                "operator-2",
                self.second.as_ref().and_then(|o| o.service().pid()),
            ),
            (
                "callout",
                self.door.as_ref().and_then(|d| d.callout.service().pid()),
            ),
            ("api-server", bed.api_server()?.service().pid()),
            ("etcd", bed.etcd()?.service().pid()),
            (
                "controller-manager",
                bed.api_server()?.controller_manager().pid(),
            ),
            ("simulator", Some(std::process::id())),
        ];
        let named = named.map(|(name, pid)| (name.to_owned(), pid));
        let servers = (0..nats.servers()).map(|number| {
            let name = match number {
                0 => "nats".to_owned(),
                other => format!("nats-{}", other + 1),
            };
            (name, nats.server(number).pid())
        });
        let all = named.into_iter().chain(servers);
        Ok(all.filter_map(|(name, pid)| Some((name, pid?))).collect())
    }

    /// Begins to note what the processes take. One that is started again later is not followed until
    /// [`Sampler::renew`].
    ///
    /// # Errors
    /// When the testbed lacks a part.
    pub fn sample(&self, record: &Record) -> Result<Sampler, Error> {
        let processes = Arc::new(Mutex::new(self.processes()?));
        let (record, followed) = (record.clone(), Arc::clone(&processes));
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PERIOD);
            let (mut number, mut lives) = (0, HashMap::new());
            loop {
                ticks.tick().await;
                let running = list(&followed).clone();
                for (name, pid) in running {
                    let life: &mut Life = lives.entry(name.clone()).or_default();
                    life.take(&record, name, pid, number % PSS_EVERY == 0);
                }
                number += 1;
            }
        });
        Ok(Sampler { task, processes })
    }
}

/// What a process of a name took in its lives before.
#[derive(Debug, Default)]
struct Life {
    pid: u32,
    /// In earlier lives, and in all by the last sample.
    before: f64,
    last: f64,
}

impl Life {
    fn take(&mut self, record: &Record, name: String, pid: u32, with_pss: bool) {
        // A process that has just ended has no samples any more.
        let (Ok(rss_mib), Ok(cpu_seconds)) = (rss_mib(pid), cpu_seconds(pid)) else {
            return;
        };
        let usage = Usage {
            at: record.elapsed().as_secs_f64(),
            rss_mib,
            pss_mib: if with_pss { pss_mib(pid).ok() } else { None },
            cpu_seconds: self.spent(pid, cpu_seconds),
        };
        let mut notes = record.notes();
        notes.processes.entry(name).or_default().push(usage);
    }

    /// Processor time over all lives.
    fn spent(&mut self, pid: u32, now: f64) -> f64 {
        if self.pid != pid {
            (self.pid, self.before) = (pid, self.last);
        }
        self.last = self.before + now;
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::Life;

    #[test]
    fn the_time_of_a_process_that_is_started_again_adds_up() {
        let mut life = Life::default();
        let spent = [(7, 1.0), (7, 3.0), (8, 0.5), (8, 1.5), (9, 0.0)];
        let spent = spent.map(|(pid, now)| life.spent(pid, now).to_string());
        assert_eq!(spent, ["1", "3", "3.5", "4.5", "4.5"]);
    }
}
