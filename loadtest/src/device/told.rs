//! What devices are told from outside, and what they tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use fleet_bus::async_nats::Subject;
use fleet_contracts::{DeploymentRef, DeviceId, Revision};
use tokio::sync::mpsc;

use crate::fleet::Census;

/// What is done to a device from outside.
#[derive(Debug)]
pub enum Order {
    /// It gets other labels.
    Relabel {
        /// The device's place on the lane.
        unit: usize,
        /// All of them.
        labels: BTreeMap<String, String>,
    },
    /// It reports something that its own agent would not: nothing happens to containers in memory. If it
    /// follows another revision by now, it does not: its agent may have reported on that already.
    Report {
        /// The device's place on the lane.
        unit: usize,
        /// About what.
        deployment: DeploymentRef,
        /// At which revision.
        revision: Revision,
        /// The report.
        message: (Subject, Bytes),
    },
}

/// What a host tells, and to whom.
#[derive(Debug, Clone)]
pub enum Ears {
    /// Each thing that a device does.
    Each(mpsc::UnboundedSender<Applied>),
    /// All that is to be counted.
    Census(Arc<Census>),
}

/// What a device did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A container of this image runs.
    Runs(String),
    /// A container of this Deployment is gone.
    Removed(String),
    /// Its connection is up.
    Connected,
    /// The bus has acknowledged all it has to say over that connection.
    Told,
}

/// A device that did something, and when.
#[derive(Debug, Clone)]
pub struct Applied {
    /// Which device.
    pub device: DeviceId,
    /// What.
    pub what: What,
    /// When.
    pub at: Instant,
}
