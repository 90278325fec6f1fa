//! What the devices know to be stored: the naive recount that statuses are held against.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use fleet_api::DeploymentStatus;
use fleet_contracts::payload::Phase;

use super::Fleet;

const PENDING: u8 = 0;
const RUNNING: u8 = 1;
const FAILED: u8 = 2;

/// How many devices, in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Matched devices.
    pub matched: i64,
    /// Of these, the ones that run it.
    pub succeeded: i64,
    /// Of these, the ones that failed.
    pub failed: i64,
    /// The rest.
    pub pending: i64,
}

impl Counts {
    /// What a status says.
    pub fn of(status: &DeploymentStatus) -> Self {
        let a = &status.aggregate;
        Self {
            matched: a.matched_device_count,
            succeeded: a.succeeded,
            failed: a.failed,
            pending: a.pending,
        }
    }
}

/// The phase of each pair that was acknowledged last.
#[derive(Debug)]
pub struct Truth {
    phases: Vec<AtomicU8>,
    /// When a report on each Deployment was acknowledged last, in microseconds since `begun`.
    heard: Vec<AtomicU64>,
    begun: Instant,
}

impl Truth {
    /// Nothing was reported yet.
    pub fn new(fleet: &Fleet) -> Self {
        Self {
            phases: fleet.pairs.iter().map(|_| AtomicU8::new(PENDING)).collect(),
            heard: fleet.workloads.iter().map(|_| AtomicU64::new(0)).collect(),
            begun: Instant::now(),
        }
    }

    /// A report is stored.
    pub fn stored(&self, fleet: &Fleet, pair: usize, phase: Phase) {
        let code = match phase {
            Phase::Running | Phase::Completed => RUNNING,
            Phase::Failed => FAILED,
            Phase::Pending | Phase::Starting | Phase::Unknown => PENDING,
        };
        self.phases[pair].store(code, Ordering::Relaxed);
        let now = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        let workload = fleet.pairs[pair].workload;
        self.heard[workload].fetch_max(now, Ordering::Relaxed);
    }

    /// What the status of a Deployment has to say: one look at each of its devices.
    pub fn recount(&self, fleet: &Fleet, workload: usize) -> Counts {
        let mut counts = Counts::default();
        for &pair in &fleet.workloads[workload].pairs {
            counts.matched += 1;
            match self.phases[pair].load(Ordering::Relaxed) {
                RUNNING => counts.succeeded += 1,
                FAILED => counts.failed += 1,
                _ => counts.pending += 1,
            }
        }
        counts
    }

    /// How long ago the last report on a Deployment was acknowledged.
    pub fn silent(&self, workload: usize) -> Duration {
        let heard = Duration::from_micros(self.heard[workload].load(Ordering::Relaxed));
        self.begun.elapsed().saturating_sub(heard)
    }
}
