//! The fleet in memory: who matches whom, what every device should run, what came of it.
//!
//! Events go in through [`FleetIndex::apply`]; what comes out is never a write, only *what is
//! dirty*. Writers then ask for the current document of that key, so a retry cannot write something
//! stale and a burst becomes one write.
//!
//! For every Deployment three disjoint sets of devices are kept, and they add up to the matched
//! ones at any moment: succeeded, failed and pending ([`FleetIndex::violations`] recounts them).

mod assign;
mod class;
mod deployment;
mod deployments;
mod device;
mod devices;
mod documents;
mod input;
mod liveness;
mod orphans;
mod pair;
mod progress;
mod reports;
mod stats;

pub use documents::{Desired, DeviceView, LastFailure, Line, Tally, View};
pub use input::{DeviceSeen, Dirty, Heard, Info, Input, Reachability, Report};
pub use liveness::LivenessConfig;
pub use pair::{Pair, PairDevice};
pub use progress::{Passed, Stage};
pub use stats::Stats;

use fleet_contracts::{DeploymentRef, DeviceId, UnixMillis};

use crate::slots::Slots;
use crate::targeting::{Anchors, Postings};
use deployment::DeploymentRecord;
use device::DeviceRecord;
use liveness::Liveness;
use orphans::Orphans;

/// Everything the operator knows of devices, Deployments and reports.
#[derive(Debug)]
pub struct FleetIndex {
    devices: Slots<DeviceId, DeviceRecord>,
    deployments: Slots<DeploymentRef, DeploymentRecord>,
    postings: Postings,
    anchors: Anchors,
    liveness: Liveness,
    orphans: Orphans,
    examined: u64,
    measured: bool,
}

impl FleetIndex {
    /// An empty index; `now` starts the grace of devices not heard of yet.
    pub fn new(config: LivenessConfig, now: UnixMillis) -> Self {
        Self {
            devices: Slots::default(),
            deployments: Slots::default(),
            postings: Postings::default(),
            anchors: Anchors::default(),
            liveness: Liveness::new(config, now),
            orphans: Orphans::default(),
            examined: 0,
            measured: false,
        }
    }

    /// Takes an event in and answers with what it made dirty.
    pub fn apply(&mut self, input: Input, now: UnixMillis) -> Dirty {
        let mut dirty = Dirty::default();
        match input {
            Input::Deployment(admitted) => self.deployment_applied(admitted, now, &mut dirty),
            Input::DeploymentGone(reference) => {
                self.deployment_gone(&reference, now, &mut dirty);
            }
            Input::Carried { line, revision } => self.carried(&line, revision, &mut dirty),
            Input::Device(seen) => self.device_applied(seen, now, &mut dirty),
            Input::DeviceGone(device) => self.device_gone(&device, &mut dirty),
            Input::Info { device, info } => self.info_reported(&device, info, &mut dirty),
            Input::InfoGone(device) => self.info_gone(&device),
            Input::Report { key, report } => self.reported(&key, report, now, &mut dirty),
            Input::ReportGone(key) => self.report_gone(&key, &mut dirty),
            Input::Heartbeat { device, heard } => self.heard(&device, heard, now, &mut dirty),
            Input::Tick => self.tick(now, &mut dirty),
        }
        self.watch_parted(now);
        dirty
    }

    /// When [`Input::Tick`] has something to do next.
    pub fn next_tick(&self) -> Option<UnixMillis> {
        [self.liveness.next(), self.orphans.next()]
            .into_iter()
            .flatten()
            .min()
    }

    /// How many (device, Deployment) pairs were examined so far: the cost of all events, for
    /// metrics and for the tests that bound it.
    pub const fn examined(&self) -> u64 {
        self.examined
    }
}
