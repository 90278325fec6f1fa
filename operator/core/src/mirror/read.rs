use fleet_contracts::id::InvalidName;
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{PayloadError, decode};
use fleet_contracts::signing::{TrustedKey, verify};
use fleet_contracts::{DeviceId, Manifest};

use super::Message;
use crate::body::print;

/// A message that was read. Nothing of it needs a mirror, so that no lock has to be held for it.
#[derive(Debug)]
pub struct Read<'a> {
    pub(super) message: Message<'a>,
    /// Fingerprint of the body.
    pub(super) print: u64,
    pub(super) content: Result<Content, InvalidName>,
}

/// What lies under a good key.
#[derive(Debug)]
pub(super) enum Content {
    Entry(EntryKey),
    Manifest(Told),
}

/// What lies under the key of a manifest.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) device: DeviceId,
    pub(super) manifest: Result<Manifest, PayloadError>,
    /// Whether the signature is good, if it was looked at.
    pub(super) signed: Option<bool>,
}

impl<'a> Read<'a> {
    /// The signature is left until it has to be known: the echo of our own manifest needs none.
    pub fn of(message: Message<'a>) -> Self {
        let content = message.key.parse().map(|key| match key {
            DesiredKey::Entry(key) => Content::Entry(key),
            DesiredKey::Manifest(device) => Content::Manifest(Told {
                device,
                manifest: decode(Bucket::DesiredState, message.body),
                signed: None,
            }),
        });
        Self {
            message,
            print: print(message.body),
            content,
        }
    }

    /// The signature is looked at now.
    #[must_use]
    pub fn verified(mut self, key: &TrustedKey) -> Self {
        if let Ok(Content::Manifest(told)) = &mut self.content {
            told.signed = Some(is_signed(self.message, key));
        }
        self
    }

    /// Its key, as the bus has it.
    pub const fn key(&self) -> &'a str {
        self.message.key
    }
}

pub(super) fn is_signed(message: Message<'_>, key: &TrustedKey) -> bool {
    let trusted = std::slice::from_ref(key);
    verify(trusted, message.key_id, message.signature, message.body).is_ok()
}
