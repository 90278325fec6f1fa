use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use fleet_contracts::{Generation, Manifest, Revision};

/// What the stream holds of one device.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// The last message of the manifest's key, which may be a deletion marker.
    pub(super) manifest_sequence: u64,
    /// Whether that message is a value, good or bad.
    pub(super) occupied: bool,
    /// The highest generation seen; kept over deletions, for devices remember too.
    pub(super) generation: Option<Generation>,
    /// The generation of the manifest, if it is a good one.
    pub(super) stored: Option<Generation>,
    /// Fingerprint of the manifest, if it is a good one.
    pub(super) content: Option<u64>,
    /// The Deployments it names, and their revisions.
    pub(super) lines: Vec<(u32, Revision)>,
    pub(super) entries: HashMap<u32, Entry>,
    /// Fingerprint of the manifest we sent last: its echo needs no verification.
    pub(super) sent: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) print: u64,
}

impl Held {
    pub(super) fn holds_keys(&self) -> bool {
        self.occupied || !self.entries.is_empty()
    }
}

/// A fingerprint of what a manifest asks for, whatever its generation.
pub(super) fn content_print(manifest: &Manifest) -> u64 {
    let mut hasher = DefaultHasher::new();
    manifest.schema_version.hash(&mut hasher);
    manifest.deployments.hash(&mut hasher);
    manifest.order.hash(&mut hasher);
    manifest.announced_keys.hash(&mut hasher);
    manifest.retired_keys.hash(&mut hasher);
    hasher.finish()
}
