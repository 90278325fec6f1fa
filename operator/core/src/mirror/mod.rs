//! What `desired-state` holds, and the writes that make it what it should be.
//!
//! The mirror is told of every message of the stream, by the watch and by the acknowledgements of
//! our own writes. Bodies are not kept: a fingerprint tells whether the one in the stream is the
//! one we would write, so garbage under a good key is repaired like any other difference.

mod epoch;
mod held;
mod plan;
mod read;

pub use epoch::Epoch;
pub use plan::{Batch, ManifestWrite, Plan, PlanError, Put};
pub use read::Read;

use std::collections::HashMap;
use std::sync::Arc;

use fleet_api::trace::WrittenStage;
use fleet_contracts::kv::{DesiredKey, EntryKey};
use fleet_contracts::payload::PayloadError;
use fleet_contracts::signing::{ManifestSigner, TrustedKey};
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Manifest, Revision};

use crate::body::print;
use crate::slots::Slots;
use held::{Entry, Held, content_print};
use read::{Content, Told, is_signed};

/// Generations that a device says it follows count below this, so that however many follow, there is
/// a higher one.
const HIGHEST_FOLLOWED: u64 = u64::MAX / 2;

/// Why a message of the stream is not one of ours.
#[derive(Debug, thiserror::Error)]
pub enum ForeignError {
    /// The key is none of `desired-state`.
    #[error("the key is none of desired-state")]
    Key(#[from] fleet_contracts::id::InvalidName),
    /// A manifest that cannot be read.
    #[error("the manifest cannot be read")]
    Manifest(#[from] PayloadError),
    /// A manifest that our key did not sign, or that is for another device.
    #[error("the manifest of {0} is not signed by this operator for this device")]
    Unsigned(DeviceId),
}

impl ForeignError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Key(_) => "ForeignKey",
            Self::Manifest(error) => error.reason(),
            Self::Unsigned(_) => "BadSignature",
        }
    }
}

/// A message of the stream.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    /// Its key.
    pub key: &'a str,
    /// Its place in the stream.
    pub sequence: u64,
    /// Header `Fleet-Key`, empty where it is missing.
    pub key_id: &'a str,
    /// Header `Fleet-Signature`, empty where it is missing.
    pub signature: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

/// What the stream holds, as far as we know.
#[derive(Debug)]
pub struct Mirror {
    signer: Arc<ManifestSigner>,
    announced_keys: Vec<String>,
    retired_keys: Vec<String>,
    devices: HashMap<DeviceId, Held>,
    epoch: Epoch,
    /// Up to here the watch has told everything there is.
    told: u64,
    /// Deployments by number, with how many lines and entries name each.
    names: Slots<DeploymentRef, u64>,
}

impl Mirror {
    /// Of an empty stream.
    pub fn new(signer: Arc<ManifestSigner>, announced_keys: Vec<String>) -> Self {
        Self {
            signer,
            announced_keys,
            retired_keys: Vec::new(),
            devices: HashMap::new(),
            epoch: Epoch::default(),
            told: 0,
            names: Slots::default(),
        }
    }

    /// Manifests also say which keys are not to be trusted any more.
    #[must_use]
    pub fn retiring(self, retired_keys: Vec<String>) -> Self {
        Self {
            retired_keys,
            ..self
        }
    }

    /// Forgets what the stream holds: it is told from its beginning, and may be another one. What
    /// was signed stays so: whoever kept a manifest could bring it back, and the device, should it
    /// not have seen it, takes it if no later one was made since.
    pub fn clear(&mut self) {
        self.epoch = self.epoch.next();
        self.told = 0;
        self.names = Slots::default();
        self.devices.retain(|_, held| {
            *held = Held {
                generation: held.generation,
                ..Held::default()
            };
            held.generation.is_some()
        });
    }

    /// The key that manifests are signed with.
    pub fn trusted(&self) -> TrustedKey {
        self.signer.trusted()
    }

    /// Takes note of a message. Answers with the device whose keys are now different from what was
    /// known, which may need to be written again.
    pub fn put(&mut self, read: Read<'_>) -> Result<Option<DeviceId>, ForeignError> {
        self.told = self.told.max(read.message.sequence);
        match read.content? {
            Content::Entry(key) => {
                let news = self.entry_stored(&key, read.message.sequence, read.print);
                Ok(news.then_some(key.device))
            }
            Content::Manifest(told) => self.manifest_seen(read.message, read.print, told),
        }
    }

    /// Takes note of a deletion marker.
    pub fn deleted(&mut self, key: &str, sequence: u64) -> Result<Option<DeviceId>, ForeignError> {
        self.told = self.told.max(sequence);
        match key.parse()? {
            DesiredKey::Entry(key) => {
                let news = self.entry_gone(&key, sequence);
                Ok(news.then_some(key.device))
            }
            DesiredKey::Manifest(device) => {
                let news = self.manifest_gone(&device, sequence);
                Ok(news.then_some(device))
            }
        }
    }

    /// A device says which manifest it follows. If that is a later one than the stream holds, the
    /// stream went back, by a restored snapshot or by somebody's hand, and the device refuses what
    /// it holds: then it has to be written again, and this answers true.
    pub fn followed(&mut self, device: &DeviceId, generation: Generation) -> bool {
        if generation.0 >= HIGHEST_FOLLOWED {
            return false;
        }
        let held = self.devices.entry(device.clone()).or_default();
        held.generation = held.generation.max(Some(generation));
        let behind = held.content.is_some() && held.stored < Some(generation);
        if behind {
            held.content = None;
        }
        behind
    }

    /// A device follows another manifest of the very generation that the stream holds: the writer of
    /// that one was killed, and the one after it had not been told. No device takes it, so it has to
    /// be written again, and this answers true.
    pub fn conflicted(&mut self, device: &DeviceId, generation: Generation) -> bool {
        let held = self.devices.entry(device.clone()).or_default();
        let same = held.stored == Some(generation) && held.content.is_some();
        if same {
            held.content = None;
        }
        same
    }

    /// All devices with keys in the stream.
    pub fn devices(&self) -> impl Iterator<Item = &DeviceId> {
        let held = self.devices.iter();
        held.filter_map(|(id, held)| held.holds_keys().then_some(id))
    }

    /// The devices whose manifest names a Deployment, and at which revision.
    pub fn lines(&self, reference: &DeploymentRef) -> Vec<(EntryKey, Revision)> {
        let Some(slot) = self.names.find(reference) else {
            return vec![];
        };
        let line = |(device, held): (&DeviceId, &Held)| {
            let (_, revision) = held.lines.iter().find(|(line, _)| *line == slot)?;
            let key = EntryKey {
                device: device.clone(),
                deployment: reference.clone(),
            };
            Some((key, *revision))
        };
        self.devices.iter().filter_map(line).collect()
    }

    /// What the stream holds of a Deployment for a device.
    pub fn line(&self, device: &DeviceId, reference: &DeploymentRef) -> WrittenStage {
        let Some(held) = self.devices.get(device).filter(|held| held.occupied) else {
            return WrittenStage::default();
        };
        let slot = self.names.find(reference);
        let line = held.lines.iter().find(|(line, _)| Some(*line) == slot);
        WrittenStage {
            generation: held.stored,
            sequence: held.manifest_sequence,
            revision: line.map(|(_, revision)| *revision),
        }
    }

    /// Whether any manifest or entry in the stream still names a Deployment.
    pub fn names(&self, reference: &DeploymentRef) -> bool {
        self.names.find(reference).is_some()
    }

    /// A manifest is about to be sent. Signing is left to the caller, who need not hold a lock for
    /// it.
    pub fn sending(&mut self, manifest: &Manifest, body: &[u8]) -> Arc<ManifestSigner> {
        let held = self.devices.entry(manifest.device.clone()).or_default();
        held.sent = Some(print(body));
        // Whether or not it is stored: no other may have the same.
        held.generation = held.generation.max(Some(manifest.generation));
        Arc::clone(&self.signer)
    }

    /// No answer came for the manifest that was sent last: should it be stored after all, that is
    /// no echo of a write under way.
    pub fn unanswered(&mut self, device: &DeviceId) {
        if let Some(held) = self.devices.get_mut(device) {
            held.sent = None;
        }
    }

    fn manifest_put(&mut self, manifest: &Manifest, sequence: u64) {
        let held = self.devices.entry(manifest.device.clone()).or_default();
        if held.manifest_sequence >= sequence {
            return;
        }
        held.manifest_sequence = sequence;
        held.generation = held.generation.max(Some(manifest.generation));
        held.stored = Some(manifest.generation);
        held.content = Some(content_print(manifest));
        self.name_lines(&manifest.device.clone(), manifest);
    }

    fn entry_gone(&mut self, key: &EntryKey, sequence: u64) -> bool {
        let Some(slot) = self.names.find(&key.deployment) else {
            return false;
        };
        let Some(held) = self.devices.get_mut(&key.device) else {
            return false;
        };
        let known = held.entries.get(&slot);
        if known.is_none_or(|entry| entry.sequence >= sequence) {
            return false;
        }
        held.entries.remove(&slot);
        self.unname(slot);
        true
    }

    fn manifest_gone(&mut self, device: &DeviceId, sequence: u64) -> bool {
        let held = self.devices.entry(device.clone()).or_default();
        if held.manifest_sequence >= sequence {
            return false;
        }
        held.manifest_sequence = sequence;
        held.content = None;
        held.stored = None;
        held.occupied = false;
        // Should it be there again, that is no echo.
        held.sent = None;
        let lines = std::mem::take(&mut held.lines);
        for (slot, _) in lines {
            self.unname(slot);
        }
        true
    }

    fn entry_stored(&mut self, key: &EntryKey, sequence: u64, print: u64) -> bool {
        let slot = self.names.intern(&key.deployment);
        let held = self.devices.entry(key.device.clone()).or_default();
        let known = held.entries.get(&slot).copied();
        if known.is_some_and(|entry| entry.sequence >= sequence) {
            return false;
        }
        held.entries.insert(slot, Entry { sequence, print });
        if known.is_none() {
            self.name(slot);
        }
        known.is_none_or(|entry| entry.print != print)
    }

    fn manifest_seen(
        &mut self,
        message: Message<'_>,
        print: u64,
        told: Told,
    ) -> Result<Option<DeviceId>, ForeignError> {
        let device = told.device;
        let held = self.devices.entry(device.clone()).or_default();
        if held.manifest_sequence >= message.sequence {
            return Ok(None);
        }
        held.manifest_sequence = message.sequence;
        held.content = None;
        held.stored = None;
        held.occupied = true;
        let manifest = told.manifest?;
        let ours = held.sent == Some(print);
        let signed = || {
            let signed = told.signed;
            signed.unwrap_or_else(|| is_signed(message, &self.signer.trusted()))
        };
        if manifest.device != device || !(ours || signed()) {
            // No device follows it, so its generation counts for nothing: whoever wrote it could
            // drive ours to where nothing is left above, or far ahead of the clock, where a replica
            // that does not know of it does not go.
            return Err(ForeignError::Unsigned(device));
        }
        let held = self.devices.entry(device.clone()).or_default();
        held.generation = held.generation.max(Some(manifest.generation));
        held.stored = Some(manifest.generation);
        // One that was signed earlier came back: devices do not take it, whatever it says.
        let latest = held.generation <= held.stored;
        held.content = latest.then(|| content_print(&manifest));
        self.name_lines(&device, &manifest);
        Ok((!ours || !latest).then_some(device))
    }

    fn name_lines(&mut self, device: &DeviceId, manifest: &Manifest) {
        let mut lines = Vec::with_capacity(manifest.deployments.len());
        for (reference, revision) in &manifest.deployments {
            let slot = self.names.intern(reference);
            self.name(slot);
            lines.push((slot, *revision));
        }
        let held = self.devices.entry(device.clone()).or_default();
        held.occupied = true;
        for (slot, _) in std::mem::replace(&mut held.lines, lines) {
            self.unname(slot);
        }
    }

    fn name(&mut self, slot: u32) {
        if let Some(count) = self.names.get_mut(slot) {
            *count += 1;
        }
    }

    fn unname(&mut self, slot: u32) {
        let Some(count) = self.names.get_mut(slot) else {
            return;
        };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.names.remove(slot);
        }
    }
}
