use std::collections::HashMap;

use fleet_contracts::Generation;
use fleet_contracts::payload::Refusal;
use roaring::RoaringBitmap;

use super::input::{Info, Report};
use super::liveness::Life;
use crate::labels::Labels;

/// One device. It exists while its object does, or while the bus holds something of it.
#[derive(Debug, Default)]
pub(super) struct DeviceRecord {
    /// Its `Device` object.
    pub(super) object: Option<Object>,
    /// What it says it is.
    pub(super) info: Option<Info>,
    /// What it reported, by Deployment.
    pub(super) reports: HashMap<u32, Report>,
    /// The Deployments it should run.
    pub(super) assigned: RoaringBitmap,
    pub(super) life: Life,
    /// What it refuses at the moment.
    pub(super) refusal: Option<Refusal>,
    /// The manifest it said it follows.
    pub(super) follows: Option<Generation>,
}

#[derive(Debug)]
pub(super) struct Object {
    pub(super) labels: Labels,
    pub(super) applied: Option<String>,
}

impl DeviceRecord {
    /// Whether the `Device` object has to be applied.
    pub(super) fn needs_apply(&self) -> bool {
        let Some(info) = &self.info else {
            return false;
        };
        self.object.as_ref().is_none_or(|object| {
            object.applied.as_ref() != Some(&info.digest)
                || !info
                    .labels
                    .iter()
                    .all(|(key, value)| object.labels.get(key) == Some(value))
        })
    }

    /// Whether nothing refers to it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.object.is_none()
            && self.info.is_none()
            && self.reports.is_empty()
            && !self.life.is_waiting()
    }
}
