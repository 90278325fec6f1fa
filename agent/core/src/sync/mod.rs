//! Fetching what the device should run, and judging it before anybody else sees it.
//!
//! Whoever drives it gets keys from the bus and brings the answers: first the manifest's
//! ([`Asking`]), unless the doorbell brought one that will do, then those of the bodies that are
//! lacking and did not come along with it ([`Gathering`]). A bus that does not answer ends it; the next one begins anew.

mod gather;

use std::sync::Arc;

use bytes::Bytes;
use fleet_contracts::brought::ENTRY_HEADER;
use fleet_contracts::kv::{Bucket, DesiredKey};
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER, TrustedKey};
use fleet_contracts::{DeviceId, Manifest, RefusalReason};

pub use gather::Gathering;

use crate::accept::{self, Accepted, Previous, Refused};
use crate::ledger::{Content, Signed};

/// How often a manifest is asked for again when the answer is older than the doorbell: a direct
/// get may be served by a replica that lags.
const TRIES: u32 = 20;
/// Between two such questions, times the try, in milliseconds.
const LAG: u64 = 20;

/// Set by the server: the subject under which a message is stored.
const SUBJECT_HEADER: &str = "Nats-Subject";
/// And its place in the stream.
const SEQUENCE_HEADER: &str = "Nats-Sequence";

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
    /// The headers with bodies, if it is a manifest that brings some.
    pub brings: Vec<String>,
}

impl Got {
    /// Of a message as the bus brings it, whether it was asked for or published again: its body, and all
    /// values of a header in their order.
    pub fn read<'a, V>(body: Bytes, values: impl Fn(&'static str) -> V) -> Self
    where
        V: Iterator<Item = &'a str>,
    {
        let first = |name| values(name).next().unwrap_or_default();
        Self {
            stored_under: first(SUBJECT_HEADER).to_owned(),
            sequence: first(SEQUENCE_HEADER).parse().unwrap_or_default(),
            key_id: first(KEY_HEADER).to_owned(),
            signature: first(SIGNATURE_HEADER).to_owned(),
            brings: values(ENTRY_HEADER).map(str::to_owned).collect(),
            body,
        }
    }

    fn check_subject(&self, key: &DesiredKey) -> Result<(), Refused> {
        if self.stored_under == Bucket::DesiredState.subject(key) {
            return Ok(());
        }
        let stored_under = &self.stored_under;
        let message = format!("asked for {key}, got what is stored under {stored_under:?}");
        Err(Refused::new(RefusalReason::WrongDevice, message))
    }

    /// The manifest, and what comes along with it.
    fn signed(self) -> Result<(Signed, Vec<String>), Refused> {
        let body = String::from_utf8(self.body.into())
            .map_err(|_| Refused::new(RefusalReason::Malformed, "the manifest is not UTF-8"))?;
        let signed = Signed {
            body,
            key_id: self.key_id,
            signature: self.signature,
        };
        Ok((signed, self.brings))
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
        let accepted = signed.map(|(signed, brings)| (asking.accept(&signed), signed, brings));
        match accepted {
            Some((Ok(Accepted::Newer(manifest)), signed, brings)) => {
                Begun::Taken(Box::new(asking.gather(manifest, signed, &brings)))
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
                let (signed, brings) = got.signed()?;
                Ok(Answered::Taken(Box::new(self.judge(signed, &brings)?)))
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

    fn judge(self, signed: Signed, brings: &[String]) -> Result<Gathering, SyncError> {
        let previous = self.snapshot.content.as_deref();
        let manifest = match (self.accept(&signed)?, previous) {
            (Accepted::Newer(manifest), _) => manifest,
            (Accepted::Unchanged, Some(previous)) => previous.manifest.clone(),
            (Accepted::Unchanged, None) => return Err(SyncError::NoManifest),
        };
        Ok(self.gather(manifest, signed, brings))
    }

    fn gather(self, manifest: Manifest, signed: Signed, brings: &[String]) -> Gathering {
        let snapshot = self.snapshot;
        let mut gathering = Gathering::begin(snapshot.device, snapshot.content, manifest, signed);
        for value in brings {
            gathering.bring(value);
        }
        gathering
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use fleet_contracts::payload::{self, DesiredEntry};
    use fleet_contracts::signing::ManifestSigner;
    use fleet_contracts::{DeploymentRef, Generation, Revision, brought};
    use serde_json::json;

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
            brings: vec![],
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

    /// A manifest that names `default.web` with this score, and what it brings.
    fn names(score: &serde_json::Value, brings: Vec<String>) -> Got {
        let mut got = message("dev-1", 6);
        let mut manifest: Manifest = serde_json::from_slice(&got.body).expect("a manifest");
        manifest.deployments = BTreeMap::from([(web(), Revision::of(score))]);
        let body = payload::encode(&manifest);
        got.signature = signer().sign(&body);
        got.body = body.into();
        got.brings = brings;
        got
    }

    fn web() -> DeploymentRef {
        "default.web".parse().expect("a reference")
    }

    fn entry(score: &serde_json::Value) -> String {
        let entry = payload::encode(&DesiredEntry {
            schema_version: 1,
            revision: Revision::of(score),
            score: score.clone(),
        });
        brought::value(&web(), &entry).expect("a header")
    }

    fn gathering(got: Got) -> Box<Gathering> {
        match begin(None, Doorbell::new(got)) {
            Begun::Taken(gathering) => gathering,
            Begun::Asking(asking) => panic!("a question: {asking:?}"),
        }
    }

    #[test]
    fn a_body_that_comes_along_need_not_be_asked_for() {
        let score = json!({ "services": [{ "name": "web" }] });
        let got = names(&score, vec![entry(&score)]);
        let rung = gathering(got.clone());
        assert_eq!(rung.lacking(), vec![]);
        let content = rung.finish().content.expect("something new");
        assert_eq!(*content.bodies[&web()].score, score);

        // So it is in an answer.
        let Begun::Asking(asking) = begin(None, Doorbell::default()) else {
            panic!("no question");
        };
        let Ok(Answered::Taken(asked)) = asking.answer(Some(got)) else {
            panic!("not taken");
        };
        assert_eq!(asked.lacking(), vec![]);
    }

    #[test]
    fn a_body_that_is_not_what_the_manifest_names_is_asked_for() {
        let score = json!({ "services": [{ "name": "web" }] });
        let other = json!({ "services": [] });
        let claims = entry(&other).replace(
            &Revision::of(&other).to_string(),
            &Revision::of(&score).to_string(),
        );
        let elsewhere = entry(&score).replace("default.web", "default.db");
        let cut = entry(&score)[..40].to_owned();
        for value in [entry(&other), claims, elsewhere, cut, String::new()] {
            let gathering = gathering(names(&score, vec![value.clone()]));
            assert_eq!(gathering.lacking().len(), 1, "{value}");
            let fetched = gathering.finish();
            assert!(fetched.refused.is_none(), "{value}");
            let content = fetched.content.expect("the manifest is new");
            assert!(content.bodies.is_empty(), "{value}");
        }
    }
}
