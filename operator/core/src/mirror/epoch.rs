use fleet_contracts::kv::EntryKey;
use fleet_contracts::{DeviceId, Manifest};

use super::{Mirror, Put};

/// From one telling of the stream to the next. A stream that is lost and made again counts from 1,
/// so the sequences of an acknowledgement mean nothing in the stream after it: one that comes late
/// would hide the real messages, which are all "older". It need not be heard: what it is about is
/// told again, if it is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Epoch(u64);

impl Epoch {
    pub(super) const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Acknowledgements of our own writes. Each says whether it counts: it does not if the stream began
/// to be told again after the plan was made.
impl Mirror {
    /// The epoch of plans that are made now.
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// An entry was stored.
    pub fn stored(&mut self, epoch: Epoch, put: &Put, sequence: u64) -> bool {
        let counts = epoch == self.epoch;
        // The watch is in order: it has told of this one, or of what came after it under its key. A
        // deletion leaves nothing behind that would say so.
        if counts && sequence > self.told {
            self.entry_stored(&put.key, sequence, put.body.print());
        }
        counts
    }

    /// A manifest was stored.
    pub fn manifest_stored(&mut self, epoch: Epoch, manifest: &Manifest, sequence: u64) -> bool {
        let counts = epoch == self.epoch;
        if counts {
            self.manifest_put(manifest, sequence);
        }
        counts
    }

    /// An entry's deletion marker was stored. If this does not count, nothing up to the marker may
    /// be purged: in the stream of now, that could be all there is of the key.
    pub fn entry_deleted(&mut self, epoch: Epoch, key: &EntryKey, sequence: u64) -> bool {
        let counts = epoch == self.epoch;
        if counts {
            self.entry_gone(key, sequence);
        }
        counts
    }

    /// A manifest's deletion marker was stored.
    pub fn manifest_deleted(&mut self, epoch: Epoch, device: &DeviceId, sequence: u64) -> bool {
        let counts = epoch == self.epoch;
        if counts {
            self.manifest_gone(device, sequence);
        }
        counts
    }
}
