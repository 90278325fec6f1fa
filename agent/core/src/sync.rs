//! Fetching what the device should run, and judging it before anybody else sees it.
//!
//! Whoever drives it gets keys from the bus and brings the answers: first the manifest's
//! ([`Asking`]), unless the doorbell brought one that will do, then those of the bodies that are
//! lacking ([`Gathering`]). A bus that does not answer ends it; the next one begins anew.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{self, DesiredEntry};
use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, RefusalReason, Revision};

use crate::Body;
use crate::accept::{self, Accepted, Previous, Refused};
use crate::ledger::{Content, Signed};

/// How often a manifest is asked for again when the answer is older than the doorbell: a direct
/// get may be served by a replica that lags.
const TRIES: u32 = 20;
/// Between two such questions, times the try, in milliseconds.
const LAG: u64 = 20;

/// A value of `desired-state`, as received.
#[derive(Debug, Clone, Default)]
pub struct Got {
    /// The body.
    pub body: Bytes,
    /// The subject it is stored under.
    pub stored_under: String,
    /// Its place in the stream.
    pub sequence: u64,
    /// The header with the key's id; empty if absent.
    pub key_id: String,
    /// The header with the signature; empty if absent.
    pub signature: String,
}

impl Got {
    fn check_subject(&self, key: &DesiredKey) -> Result<(), Refused> {
        if self.stored_under == Bucket::DesiredState.subject(key) {
            return Ok(());
        }
        let stored_under = &self.stored_under;
        let message = format!("asked for {key}, got what is stored under {stored_under:?}");
        Err(Refused::new(RefusalReason::WrongDevice, message))
    }

    fn signed(self) -> Result<Signed, Refused> {
        let body = String::from_utf8(self.body.into())
            .map_err(|_| Refused::new(RefusalReason::Malformed, "the manifest is not UTF-8"))?;
        Ok(Signed {
            body,
            key_id: self.key_id,
            signature: self.signature,
        })
    }
}

/// What a sync builds on.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// This device.
    pub device: DeviceId,
    /// Whose manifests to follow.
    pub trusted: Vec<TrustedKey>,
    /// What the device follows now.
    pub content: Option<Arc<Content>>,
    /// What rang.
    pub doorbell: Doorbell,
}

/// The doorbell, as far as it is known; nothing of it if none rang.
#[derive(Debug, Clone, Default)]
pub struct Doorbell {
    /// Its place in the stream: an answer from before it is too old.
    pub sequence: u64,
    /// The manifest, if it brought one.
    pub manifest: Option<Got>,
}

impl Doorbell {
    /// A message of the stream, as it was published again.
    pub fn new(message: Got) -> Self {
        Self {
            sequence: message.sequence,
            // A deletion has no body, and neither has the doorbell of a stream that an older operator
            // defined.
            manifest: Some(message).filter(|got| !got.body.is_empty()),
        }
    }

    /// One for both: what is asked then is the bus, for which of them is the later one only the
    /// bus knows.
    #[must_use]
    pub fn and(self, other: &Self) -> Self {
        Self {
            sequence: self.sequence.max(other.sequence),
            manifest: None,
        }
    }
}

/// What came of a sync.
#[derive(Debug)]
pub struct Fetched {
    /// What to follow from now on; none if nothing changed.
    pub content: Option<Content>,
    /// A body that was missing or wrong: what it was for stays as it is.
    pub refused: Option<Refused>,
}

/// Why a sync gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The bus did not answer; the text says what.
    #[error("{0}")]
    NoAnswer(String),
    /// The manifest may not be followed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no manifest for this device.
    #[error("there is no manifest for this device yet")]
    NoManifest,
}

/// A sync that waits for its manifest.
#[derive(Debug)]
pub struct Asking {
    snapshot: Snapshot,
    attempt: u32,
}

/// How a sync begins.
#[derive(Debug)]
pub enum Begun {
    /// The manifest has to be got.
    Asking(Asking),
    /// The one that the doorbell brought may be followed.
    Taken(Box<Gathering>),
}

/// What follows from an answer.
#[derive(Debug)]
pub enum Answered {
    /// It is older than the doorbell: to be asked again after so many milliseconds.
    Again(Asking, u64),
    /// The manifest may be followed.
    Taken(Box<Gathering>),
}

impl Asking {
    /// Begins one, with the manifest that the doorbell brought. If there is none, or it is not a newer
    /// one that may be followed, the bus has to be asked, and its answer judged: a doorbell alone gives
    /// no reason to refuse anything.
    pub fn begin(mut snapshot: Snapshot) -> Begun {
        let rung = snapshot.doorbell.manifest.take();
        let asking = Self {
            snapshot,
            attempt: 1,
        };
        let key = asking.key();
        let signed = rung.and_then(|got| {
            got.check_subject(&key).ok()?;
            got.signed().ok()
        });
        let accepted = signed.map(|signed| (asking.accept(&signed), signed));
        match accepted {
            Some((Ok(Accepted::Newer(manifest)), signed)) => {
                Begun::Taken(Box::new(asking.gather(manifest, signed)))
            }
            _ => Begun::Asking(asking),
        }
    }

    /// What to get.
    pub fn key(&self) -> DesiredKey {
        DesiredKey::Manifest(self.snapshot.device.clone())
    }

    /// Takes the answer; none if the bus holds no such key.
    ///
    /// # Errors
    /// When there is no manifest, or it may not be followed.
    pub fn answer(mut self, got: Option<Got>) -> Result<Answered, SyncError> {
        let last = self.attempt == TRIES;
        match got {
            Some(got) if got.sequence >= self.snapshot.doorbell.sequence || last => {
                got.check_subject(&self.key())?;
                Ok(Answered::Taken(Box::new(self.judge(got.signed()?)?)))
            }
            None if last || self.snapshot.doorbell.sequence == 0 => Err(SyncError::NoManifest),
            _ => {
                let wait = LAG * u64::from(self.attempt);
                self.attempt += 1;
                Ok(Answered::Again(self, wait))
            }
        }
    }

    fn accept(&self, signed: &Signed) -> Result<Accepted, Refused> {
        let snapshot = &self.snapshot;
        let before = snapshot.content.as_deref().map(|p| Previous {
            generation: p.manifest.generation,
            body: p.signed.body.as_bytes(),
        });
        let trusted = &snapshot.trusted;
        accept::accept(&snapshot.device, trusted, before, signed.candidate())
    }

    fn judge(self, signed: Signed) -> Result<Gathering, SyncError> {
        let previous = self.snapshot.content.as_deref();
        let manifest = match (self.accept(&signed)?, previous) {
            (Accepted::Newer(manifest), _) => manifest,
            (Accepted::Unchanged, Some(previous)) => previous.manifest.clone(),
            (Accepted::Unchanged, None) => return Err(SyncError::NoManifest),
        };
        Ok(self.gather(manifest, signed))
    }

    fn gather(self, manifest: Manifest, signed: Signed) -> Gathering {
        let Snapshot {
            device,
            content: previous,
            ..
        } = self.snapshot;
        let held = previous.iter().flat_map(|p| &p.bodies);
        let bodies = held
            .filter(|(r, _)| manifest.deployments.contains_key(r))
            .map(|(r, b)| (r.clone(), b.clone()))
            .collect();
        Gathering {
            device,
            manifest,
            signed,
            previous,
            bodies,
            fetched: false,
            refused: None,
        }
    }
}

/// A sync that lacks bodies, or none.
#[derive(Debug)]
pub struct Gathering {
    device: DeviceId,
    manifest: Manifest,
    signed: Signed,
    previous: Option<Arc<Content>>,
    bodies: BTreeMap<DeploymentRef, Body>,
    fetched: bool,
    refused: Option<Refused>,
}

impl Gathering {
    /// What to get, in any order.
    pub fn lacking(&self) -> Vec<EntryKey> {
        let lacks = |r: &DeploymentRef, revision| {
            let held = self.bodies.get(r);
            held.is_none_or(|body| body.revision != revision)
        };
        let wanted = self.manifest.deployments.iter();
        wanted
            .filter(|&(r, revision)| lacks(r, *revision))
            .map(|(r, _)| EntryKey {
                device: self.device.clone(),
                deployment: r.clone(),
            })
            .collect()
    }

    /// Takes the answer for one of them; none if the bus holds no such key.
    pub fn answer(&mut self, key: &EntryKey, got: Option<Got>) {
        let reference = &key.deployment;
        let Some(&revision) = self.manifest.deployments.get(reference) else {
            return;
        };
        match body(key, got, revision) {
            Ok(body) => {
                self.bodies.insert(reference.clone(), body);
                self.fetched = true;
            }
            Err(problem) => self.refused = Some(problem),
        }
    }

    /// What came of it.
    pub fn finish(self) -> Fetched {
        let previous = self.previous.as_deref();
        let changed = self.fetched || previous.is_none_or(|p| p.signed.body != self.signed.body);
        let refused = self.refused.clone();
        Fetched {
            content: changed.then(|| self.content()),
            refused,
        }
    }

    fn content(self) -> Content {
        let previous = self.previous.as_deref();
        let learned = previous.map(|p| p.learned.clone()).unwrap_or_default();
        let learned = learned.after(&self.manifest, &self.signed.key_id);
        let mut departed = previous.map(|p| p.departed.clone()).unwrap_or_default();
        let before = previous.iter().flat_map(|p| p.manifest.deployments.keys());
        departed.extend(before.cloned());
        departed.retain(|reference| !self.manifest.deployments.contains_key(reference));
        Content {
            manifest: self.manifest,
            signed: self.signed,
            bodies: self.bodies,
            learned,
            departed,
        }
    }
}

fn body(key: &EntryKey, got: Option<Got>, revision: Revision) -> Result<Body, Refused> {
    let reference = &key.deployment;
    let Some(got) = got else {
        let message = format!("the body of {reference} is not on the bus");
        return Err(Refused::new(RefusalReason::EntryMissing, message));
    };
    got.check_subject(&DesiredKey::Entry(key.clone()))?;
    let entry: DesiredEntry = payload::decode(Bucket::DesiredState, &got.body).map_err(|e| {
        let message = format!("the body of {reference}: {e}");
        Refused::new(RefusalReason::Malformed, message)
    })?;
    let actual = Revision::of(&entry.score);
    if actual == revision {
        return Ok(Body {
            revision,
            score: Arc::new(entry.score),
        });
    }
    let (short, wanted) = (actual.short(), revision.short());
    let message = format!("the body of {reference} has hash {short}, the manifest names {wanted}");
    // A consistent body of another revision is one of a manifest still on its way.
    let reason = if entry.revision == actual {
        RefusalReason::EntryMissing
    } else {
        RefusalReason::HashMismatch
    };
    Err(Refused::new(reason, message))
}

#[cfg(test)]
mod tests {
    use fleet_contracts::Generation;
    use fleet_contracts::signing::ManifestSigner;

    use super::*;

    fn signer() -> ManifestSigner {
        ManifestSigner::from_seed(&[1; 32])
    }

    fn message(device: &str, generation: u64) -> Got {
        let device: DeviceId = device.parse().expect("an id");
        let key = DesiredKey::Manifest(device.clone());
        let body = payload::encode(&Manifest {
            schema_version: 1,
            device,
            generation: Generation(generation),
            deployments: BTreeMap::new(),
            order: vec![],
            announced_keys: vec![],
            retired_keys: vec![],
        });
        Got {
            key_id: signer().key_id().to_string(),
            signature: signer().sign(&body),
            body: body.into(),
            stored_under: Bucket::DesiredState.subject(&key),
            sequence: 7,
        }
    }

    fn begin(content: Option<&Content>, doorbell: Doorbell) -> Begun {
        Asking::begin(Snapshot {
            device: "dev-1".parse().expect("an id"),
            trusted: vec![signer().trusted()],
            content: content.cloned().map(Arc::new),
            doorbell,
        })
    }

    fn follow(generation: u64) -> Content {
        let begun = begin(None, Doorbell::new(message("dev-1", generation)));
        let Begun::Taken(gathering) = begun else {
            panic!("a question: {begun:?}");
        };
        gathering.finish().content.expect("something new")
    }

    #[test]
    fn a_doorbell_with_a_newer_manifest_needs_no_question() {
        let content = follow(5);
        assert_eq!(content.manifest.generation, Generation(5));
        let newer = Doorbell::new(message("dev-1", 6));
        assert!(matches!(begin(Some(&content), newer), Begun::Taken(_)));
    }

    #[test]
    fn whatever_else_a_doorbell_brings_is_no_reason_to_refuse_anything() {
        let content = follow(5);
        let good = message("dev-1", 6);
        let odd = [
            message("dev-1", 4),
            message("dev-1", 5),
            message("dev-2", 6),
            Got {
                body: Bytes::new(),
                ..good.clone()
            },
            Got {
                body: b"{}".as_slice().into(),
                ..good.clone()
            },
            Got {
                body: b"\xff".as_slice().into(),
                ..good.clone()
            },
            Got {
                signature: String::new(),
                ..good.clone()
            },
            Got {
                stored_under: String::new(),
                ..good.clone()
            },
        ];
        for got in odd {
            let Begun::Asking(asking) = begin(Some(&content), Doorbell::new(got)) else {
                panic!("no question");
            };
            // What the bus then says is what counts, if it is not older than the doorbell.
            let older = Got {
                sequence: 6,
                ..good.clone()
            };
            let Ok(Answered::Again(asking, _)) = asking.answer(Some(older)) else {
                panic!("older than the doorbell");
            };
            let answered = asking.answer(Some(good.clone()));
            assert!(matches!(answered, Ok(Answered::Taken(_))), "{answered:?}");
        }
    }

    #[test]
    fn of_two_doorbells_neither_is_believed() {
        let (one, other) = (message("dev-1", 6), message("dev-1", 7));
        let both = Doorbell::new(one).and(&Doorbell::new(other));
        assert_eq!(both.sequence, 7);
        assert!(matches!(begin(None, both), Begun::Asking(_)));
    }
}
