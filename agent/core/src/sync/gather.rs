use std::collections::BTreeMap;
use std::sync::Arc;

use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{self, DesiredEntry};
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, RefusalReason, Revision, brought};

use super::{Fetched, Got};
use crate::Body;
use crate::accept::Refused;
use crate::ledger::{Content, Signed};

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
    /// What the manifest names, with what of it is there already.
    pub(super) fn begin(
        device: DeviceId,
        previous: Option<Arc<Content>>,
        manifest: Manifest,
        signed: Signed,
    ) -> Self {
        let held = previous.iter().flat_map(|p| &p.bodies);
        let bodies = held
            .filter(|(r, _)| manifest.deployments.contains_key(r))
            .map(|(r, b)| (r.clone(), b.clone()))
            .collect();
        Self {
            device,
            manifest,
            signed,
            previous,
            bodies,
            fetched: false,
            refused: None,
        }
    }

    fn lacks(&self, reference: &DeploymentRef, revision: Revision) -> bool {
        let held = self.bodies.get(reference);
        held.is_none_or(|body| body.revision != revision)
    }

    /// Takes a body that came along. One that is of no use is as good as none: it will be asked for, and
    /// that answer judged.
    pub(super) fn bring(&mut self, value: &str) {
        let Some((reference, entry)) = brought::read(value) else {
            return;
        };
        let wanted = self.manifest.deployments.get(&reference).copied();
        let wanted = wanted.filter(|revision| self.lacks(&reference, *revision));
        let body = wanted.and_then(|revision| judged(&reference, entry, revision).ok());
        if let Some(body) = body {
            self.bodies.insert(reference, body);
            self.fetched = true;
        }
    }

    /// What to get, in any order.
    pub fn lacking(&self) -> Vec<EntryKey> {
        let wanted = self.manifest.deployments.iter();
        wanted
            .filter(|&(r, revision)| self.lacks(r, *revision))
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
    judged(reference, &got.body, revision)
}

/// A body, if it is the one that the manifest names.
fn judged(reference: &DeploymentRef, entry: &[u8], revision: Revision) -> Result<Body, Refused> {
    let entry: DesiredEntry = payload::decode(Bucket::DesiredState, entry).map_err(|e| {
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
