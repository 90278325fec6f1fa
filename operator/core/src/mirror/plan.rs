use std::collections::BTreeMap;

use fleet_api::condition::ConditionReason;
use fleet_contracts::brought;
use fleet_contracts::kv::{Bucket, EntryKey};
use fleet_contracts::manifest::SCHEMA_VERSION;
use fleet_contracts::payload::encode;
use fleet_contracts::{DeviceId, Generation, Manifest, UnixMillis};

use super::held::{Held, content_print};
use super::{Epoch, Mirror};
use crate::body::Body;
use crate::index::Desired;

/// The writes that make one device's keys what they should be: first the bodies, then the manifest
/// that names them, then the deletion of bodies nobody names any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What its acknowledgements count for.
    pub epoch: Epoch,
    /// Entries to store, in any order.
    pub puts: Vec<Put>,
    /// What to do to the manifest, once those are stored.
    pub manifest: Option<ManifestWrite>,
    /// Entries to delete, once that is done.
    pub deletes: Vec<EntryKey>,
}

/// Writes of one device that may be under way at once. All of a batch must be acknowledged before
/// the next is begun; if one fails, the rest of the plan is void and a new one is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Batch {
    /// Store bodies.
    Entries(Vec<Put>),
    /// Store or delete the manifest.
    Manifest(ManifestWrite),
    /// Delete bodies, and then the markers of that: one would stay for every pair there ever was.
    Deletions(Vec<EntryKey>),
}

/// An entry to store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Put {
    /// Its key.
    pub key: EntryKey,
    /// Its body.
    pub body: Body,
}

/// What to do to a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ManifestWrite {
    /// Store it, if the key's last message is still the one at `expected` (0: none).
    Put {
        /// The manifest.
        manifest: Manifest,
        /// It, encoded.
        body: Vec<u8>,
        /// The bodies among those just stored that come along with it, as values of
        /// [`ENTRY_HEADER`](brought::ENTRY_HEADER).
        brings: Vec<String>,
        /// The key's last message.
        expected: u64,
    },
    /// Delete it, if the key's last message is still the one at `expected`.
    Delete {
        /// The key's last message.
        expected: u64,
    },
}

/// Why a device's desired state cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It has more Deployments than a manifest can name.
    #[error("the manifest of {device} would take {bytes} bytes, the bus carries {max}")]
    ManifestOversize {
        /// The device.
        device: DeviceId,
        /// How many bytes it would take.
        bytes: usize,
        /// How many it may take.
        max: usize,
    },
}

impl PlanError {
    /// The stable reason.
    pub const fn reason(&self) -> ConditionReason {
        match self {
            Self::ManifestOversize { .. } => ConditionReason::ManifestOversize,
        }
    }
}

impl Plan {
    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.manifest.is_none() && self.deletes.is_empty()
    }

    /// Its writes in order: bodies first, then the manifest that names them, then the deletion of
    /// bodies nobody names. A device that follows its manifest at any moment finds what it needs.
    pub fn batches(self) -> impl Iterator<Item = Batch> {
        let puts = Some(self.puts).filter(|puts| !puts.is_empty());
        let deletes = Some(self.deletes).filter(|deletes| !deletes.is_empty());
        let first = puts.map(Batch::Entries);
        let then = self.manifest.map(Batch::Manifest);
        let last = deletes.map(Batch::Deletions);
        first.into_iter().chain(then).chain(last)
    }
}

impl Mirror {
    /// The writes for one device; `None` for `desired` removes all it has.
    pub fn plan(
        &self,
        device: &DeviceId,
        desired: Option<&Desired>,
        now: UnixMillis,
    ) -> Result<Plan, PlanError> {
        let nothing = Held::default();
        let held = self.devices.get(device).unwrap_or(&nothing);
        let Some(desired) = desired else {
            let expected = held.manifest_sequence;
            return Ok(Plan {
                epoch: self.epoch,
                manifest: held.occupied.then_some(ManifestWrite::Delete { expected }),
                deletes: self.unwanted(device, held, &Desired::default()),
                puts: vec![],
            });
        };
        let puts = self.missing(device, held, desired);
        Ok(Plan {
            epoch: self.epoch,
            manifest: self.manifest(device, held, desired, &puts, now)?,
            puts,
            deletes: self.unwanted(device, held, desired),
        })
    }

    fn missing(&self, device: &DeviceId, held: &Held, desired: &Desired) -> Vec<Put> {
        let mut puts = Vec::new();
        for (reference, line) in &desired.lines {
            let Some(body) = &line.body else { continue };
            let stored = self
                .names
                .find(reference)
                .and_then(|slot| held.entries.get(&slot));
            if stored.is_none_or(|entry| entry.print != body.print()) {
                puts.push(Put {
                    key: EntryKey {
                        device: device.clone(),
                        deployment: reference.clone(),
                    },
                    body: body.clone(),
                });
            }
        }
        puts
    }

    fn unwanted(&self, device: &DeviceId, held: &Held, desired: &Desired) -> Vec<EntryKey> {
        let mut deletes: Vec<_> = held
            .entries
            .keys()
            .filter_map(|slot| self.names.name(*slot))
            .filter(|reference| !desired.lines.contains_key(reference))
            .map(|reference| EntryKey {
                device: device.clone(),
                deployment: reference.clone(),
            })
            .collect();
        deletes.sort_unstable();
        deletes
    }

    fn manifest(
        &self,
        device: &DeviceId,
        held: &Held,
        desired: &Desired,
        puts: &[Put],
        now: UnixMillis,
    ) -> Result<Option<ManifestWrite>, PlanError> {
        let lines = desired.lines.iter();
        let manifest = Manifest {
            schema_version: SCHEMA_VERSION,
            device: device.clone(),
            generation: Generation::next(held.generation, now),
            deployments: lines
                .map(|(reference, line)| (reference.clone(), line.revision))
                .collect::<BTreeMap<_, _>>(),
            order: desired.order.clone(),
            announced_keys: self.announced_keys.clone(),
            retired_keys: self.retired_keys.clone(),
        };
        if held.content == Some(content_print(&manifest)) {
            return Ok(None);
        }
        let body = encode(&manifest);
        let max = Bucket::DesiredState.max_value_bytes();
        if body.len() > max {
            return Err(PlanError::ManifestOversize {
                device: device.clone(),
                bytes: body.len(),
                max,
            });
        }
        Ok(Some(ManifestWrite::Put {
            manifest,
            brings: brings(puts, (max - body.len()).min(brought::MAX_BYTES)),
            body,
            expected: held.manifest_sequence,
        }))
    }
}

/// As many bodies as take no more than so many bytes, the first ones first; a device asks for the rest.
fn brings(puts: &[Put], mut room: usize) -> Vec<String> {
    let values = puts.iter().filter_map(|put| {
        let bytes = put.body.bytes();
        let value = (bytes.len() < room).then(|| brought::value(&put.key.deployment, bytes));
        let value = value.flatten()?;
        room = room.checked_sub(brought::takes(&value))?;
        Some(value)
    });
    values.collect()
}
