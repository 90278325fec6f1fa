use std::collections::{BTreeMap, BTreeSet};

use fleet_contracts::kv::EntryKey;
use fleet_contracts::payload::{DeviceState, Phase, Refusal};
use fleet_contracts::reason::DeviceReason;
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Revision, UnixMillis};

use super::progress::Passed;
use crate::admit::Admitted;
use crate::labels::{Dropped, Labels};

/// An event.
#[derive(Debug, Clone)]
pub enum Input {
    /// A `Deployment` object as it is now.
    Deployment(Admitted),
    /// A `Deployment` object is no more.
    DeploymentGone(DeploymentRef),
    /// `desired-state` already carries this line. It counts only while the Deployment's spec is
    /// refused and no valid one is known: then what devices run stays (see
    /// [`super::FleetIndex::needs_carried`]).
    Carried {
        /// Device and Deployment.
        line: EntryKey,
        /// The revision in the device's manifest.
        revision: Revision,
    },
    /// A `Device` object as it is now.
    Device(DeviceSeen),
    /// A `Device` object is no more: forget the device.
    DeviceGone(DeviceId),
    /// A device said what it is.
    Info {
        /// The device.
        device: DeviceId,
        /// What it said.
        info: Info,
    },
    /// A device's info is no more.
    InfoGone(DeviceId),
    /// A device said what became of a Deployment.
    Report {
        /// Device and Deployment.
        key: EntryKey,
        /// What it said.
        report: Report,
    },
    /// A report is no more.
    ReportGone(EntryKey),
    /// A sign of life.
    Heartbeat {
        /// The device.
        device: DeviceId,
        /// What it says.
        heard: Heard,
    },
    /// Time went on.
    Tick,
}

/// A `Device` object, as far as the index needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeviceSeen {
    /// Its name.
    pub device: DeviceId,
    /// All its labels: the device's own and those people added.
    pub labels: Labels,
    /// The digest of the [`Info`] that was last applied to it.
    pub applied: Option<String>,
    /// What its conditions say.
    pub reachability: Reachability,
}

/// Whether a device is heard.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Reachability {
    /// Not heard yet, and the grace is not over.
    #[default]
    Unknown,
    /// Heartbeats arrive.
    Reachable,
    /// They stopped.
    Stale,
}

/// What a device says it is, after its labels were sanitised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    /// The labels to put on its `Device` object.
    pub labels: Labels,
    /// The labels it sent that cannot be used.
    pub dropped: Vec<Dropped>,
    /// Names labels and inventory: equal digests need no write.
    pub digest: String,
}

/// What a sign of life says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// When the bus took it in.
    pub received: UnixMillis,
    /// The manifest that the device follows.
    pub follows: Generation,
    /// What it refuses at the moment.
    pub refusal: Option<Refusal>,
}

/// What became of a Deployment on a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The revision it is about.
    pub revision: Revision,
    /// How far it has come.
    pub phase: Phase,
    /// Why it failed.
    pub reason: Option<DeviceReason>,
    /// For people.
    pub message: String,
    /// When the bus took it in. Not the device's clock: reports of different devices are compared.
    pub received: UnixMillis,
}

impl Report {
    /// The longest message kept.
    const MESSAGE: usize = 512;

    /// From what lies in the bucket.
    pub fn new(state: DeviceState, received: UnixMillis) -> Self {
        let mut message = state.message;
        if message.len() > Self::MESSAGE {
            message = message.chars().take(Self::MESSAGE).collect();
        }
        Self {
            revision: state.revision,
            phase: state.phase,
            reason: state.reason,
            message,
            received,
        }
    }
}

/// What has to be written again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dirty {
    /// Devices whose desired state changed.
    pub desired: BTreeSet<DeviceId>,
    /// Deployments whose status changed.
    pub statuses: BTreeSet<DeploymentRef>,
    /// Devices whose status changed: reachability, refusals, dropped labels.
    pub device_statuses: BTreeSet<DeviceId>,
    /// Devices whose `Device` object is missing or does not say what the device says.
    pub device_objects: BTreeSet<DeviceId>,
    /// Devices to forget: all their keys in all buckets.
    pub forgotten: BTreeSet<DeviceId>,
    /// Reports nobody will ask for again.
    pub reports: BTreeSet<EntryKey>,
    /// Transitions, for the log and for metrics.
    pub reachability: BTreeMap<DeviceId, Reachability>,
    /// Stages that devices have passed, for metrics.
    pub passed: Vec<Passed>,
}

impl Dirty {
    /// Whether nothing has to be written.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds what another event made dirty.
    pub fn merge(&mut self, other: Self) {
        self.desired.extend(other.desired);
        self.statuses.extend(other.statuses);
        self.device_statuses.extend(other.device_statuses);
        self.device_objects.extend(other.device_objects);
        self.forgotten.extend(other.forgotten);
        self.reports.extend(other.reports);
        self.reachability.extend(other.reachability);
        self.passed.extend(other.passed);
    }
}
