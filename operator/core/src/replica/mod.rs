//! One replica of the operator as a value: index, mirror, queues, and what it knows of the objects.
//!
//! The shell puts a lock around it, tells it what the watches say, takes keys from its queues, asks
//! it for the document of each, and tells it what came of the write. Time is an argument. What it
//! must never do: hand out a key to write before every source has told all it has, or while another
//! replica leads.

mod active;
mod documents;
mod known;
mod objects;
mod queues;
mod source;
mod unfinished;

pub use active::Turn;
pub use documents::{DeviceObject, FinalizerStep, WantedDeviceStatus, WantedStatus};
pub use known::{DeploymentKnown, DeviceKnown, Known, Telling};
pub use objects::{APPLIED_ANNOTATION, Roll};
pub use queues::{Kind, Queues};
pub use source::Source;

use std::collections::{BTreeMap, BTreeSet};

use fleet_contracts::payload::Refusal;
use fleet_contracts::{DeviceId, Manifest, UnixMillis};

use crate::claims::Enrolments;
use crate::describe::describe;
use crate::index::{Dirty, FleetIndex, Input, LivenessConfig, Passed, Reachability};
use crate::mirror::{Epoch, Mirror};
use unfinished::Unfinished;

/// Everything one replica of the operator knows and has to do.
#[derive(Debug)]
pub struct Replica {
    /// Who should run what, and what came of it.
    pub index: FleetIndex,
    /// What `desired-state` holds.
    pub mirror: Mirror,
    /// What is dirty.
    pub queues: Queues,
    /// What the objects say now, as far as writers need it.
    pub known: Known,
    synced: BTreeSet<Source>,
    /// Whose watch ended since: what is known of them is as of then.
    broken: BTreeSet<Source>,
    lists: active::Lists,
    leads_until: Option<UnixMillis>,
    active: bool,
    unfinished: Unfinished,
}

/// What the shell has to know about an event that was taken in.
#[must_use]
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Taken {
    /// The next [`Input::Tick`] is due earlier than before.
    pub earlier: bool,
    /// Devices that turned reachable or stale.
    pub reachability: BTreeMap<DeviceId, Reachability>,
    /// A device refuses something that it did not refuse before.
    pub refusal: Option<(DeviceId, Refusal)>,
    /// Stages that devices have passed.
    pub passed: Vec<Passed>,
}

impl Taken {
    /// Adds what another event led to.
    pub fn merge(&mut self, other: Self) {
        self.earlier |= other.earlier;
        self.reachability.extend(other.reachability);
        self.refusal = other.refusal.or(self.refusal.take());
        self.passed.extend(other.passed);
    }
}

impl Replica {
    /// One that knows nothing yet and does not lead.
    pub fn new(
        liveness: LivenessConfig,
        mirror: Mirror,
        enrolments: Enrolments,
        now: UnixMillis,
    ) -> Self {
        Self {
            index: FleetIndex::new(liveness, now),
            mirror,
            queues: Queues::new(),
            known: Known {
                enrolments,
                ..Known::default()
            },
            synced: BTreeSet::new(),
            broken: BTreeSet::new(),
            lists: active::Lists::default(),
            leads_until: None,
            active: false,
            unfinished: Unfinished::default(),
        }
    }

    /// Takes an event in.
    pub fn apply(&mut self, input: Input, now: UnixMillis) -> Taken {
        let before = self.index.next_tick();
        let mut dirty = self.index.apply(input, now);
        let taken = Taken {
            earlier: self.index.next_tick() < before || before.is_none(),
            reachability: std::mem::take(&mut dirty.reachability),
            refusal: None,
            passed: std::mem::take(&mut dirty.passed),
        };
        self.mark(dirty, now);
        taken
    }

    /// The bus has acknowledged a manifest of ours.
    pub fn manifest_stored(
        &mut self,
        epoch: Epoch,
        manifest: &Manifest,
        sequence: u64,
        now: UnixMillis,
    ) -> Taken {
        if !self.mirror.manifest_stored(epoch, manifest, sequence) {
            return Taken::default();
        }
        Taken {
            passed: self.index.manifest_stored(manifest, now),
            ..Taken::default()
        }
    }

    /// Takes in what a device says, or what it may say, and what follows for its labels. In one go:
    /// were the two judged apart, what a device said could outlive what it may say.
    pub fn describe_again(
        &mut self,
        device: &DeviceId,
        change: impl FnOnce(&mut Known),
        now: UnixMillis,
    ) -> Taken {
        change(&mut self.known);
        let Known {
            infos, enrolments, ..
        } = &self.known;
        let Some(info) = infos.get(device) else {
            return Taken::default();
        };
        let info = describe(info, enrolments.rule(device));
        let device = device.clone();
        self.apply(Input::Info { device, info }, now)
    }

    /// Notes that `desired-state` changed under a device, by somebody's hand other than ours or by
    /// the echo of our own.
    pub fn mark_desired(&mut self, device: DeviceId, now: UnixMillis) {
        let dirty = Dirty {
            desired: [device].into(),
            ..Dirty::default()
        };
        self.mark(dirty, now);
    }

    /// Queues what an event made dirty. A standby queues nothing: on taking over it looks at
    /// everything, but what is to be forgotten is in no object any more.
    fn mark(&mut self, dirty: Dirty, now: UnixMillis) {
        if self.active {
            self.queues.mark(dirty, now);
        } else {
            self.unfinished.add(dirty.forgotten, dirty.reports, now);
        }
    }
}
