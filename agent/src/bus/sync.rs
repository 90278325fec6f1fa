//! Fetching what the device should run, and judging it before anybody else sees it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_agent_core::Body;
use fleet_agent_core::accept::{self, Accepted, Candidate, Previous, Refused};
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{self, DesiredEntry};
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER, TrustedKey};
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, RefusalReason, Revision};
use futures::{StreamExt as _, stream};

use super::{Bus, BusError, Got};
use crate::ledger::{Content, Signed};

/// How often a manifest is asked for again when the answer is older than the doorbell: a direct
/// get may be served by a replica that lags.
const TRIES: u32 = 20;
/// Between two such questions, times the try.
const LAG: Duration = Duration::from_millis(20);
/// Entries fetched at once.
const PARALLEL: usize = 16;

/// What a sync builds on.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// This device.
    pub(crate) device: DeviceId,
    /// Whose manifests to follow.
    pub(crate) trusted: Vec<TrustedKey>,
    /// What the device follows now.
    pub(crate) content: Option<Arc<Content>>,
    /// The doorbell's sequence; 0 if none rang.
    pub(crate) at_least: u64,
}

/// Where the time went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timing {
    /// The beginning of the sync.
    pub(crate) began: Instant,
    /// For the manifest.
    pub(crate) manifest: Duration,
    /// For all entries.
    pub(crate) entries: Duration,
}

/// What came of a sync.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// What to follow from now on; none if nothing changed.
    pub(crate) content: Option<Content>,
    /// A body that was missing or wrong: what it was for stays as it is.
    pub(crate) refused: Option<Refused>,
    /// Where the time went.
    pub(crate) timing: Timing,
}

/// Why a sync gave nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SyncError {
    /// The bus did not answer.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// The manifest may not be followed.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// There is no manifest for this device.
    #[error("there is no manifest for this device yet")]
    NoManifest,
}

/// Gets the manifest, judges it, and gets the bodies that are missing.
pub(crate) async fn fetch(bus: Bus, snapshot: Snapshot) -> Result<Fetched, SyncError> {
    let began = Instant::now();
    let got = manifest(&bus, &snapshot).await?;
    let signed = signed(&got)?;
    let previous = snapshot.content.as_deref();
    let candidate = Candidate {
        body: signed.body.as_bytes(),
        key_id: &signed.key_id,
        signature: &signed.signature,
    };
    let before = previous.map(|p| Previous {
        generation: p.manifest.generation,
        body: p.signed.body.as_bytes(),
    });
    let accepted = accept::accept(&snapshot.device, &snapshot.trusted, before, candidate)?;
    let manifest_time = began.elapsed();
    let next = match (accepted, previous) {
        (Accepted::Newer(manifest), _) => manifest,
        (Accepted::Unchanged, Some(previous)) => previous.manifest.clone(),
        (Accepted::Unchanged, None) => return Err(SyncError::NoManifest),
    };
    let empty = BTreeMap::new();
    let held = previous.map_or(&empty, |p| &p.bodies);
    let (bodies, refused, fetched) = bodies(&bus, &snapshot.device, &next, held).await?;
    let timing = Timing {
        began,
        manifest: manifest_time,
        entries: began.elapsed().saturating_sub(manifest_time),
    };
    let changed = fetched || previous.is_none_or(|p| p.signed.body != signed.body);
    let content = changed.then(|| content(next, signed, bodies, previous));
    Ok(Fetched {
        content,
        refused,
        timing,
    })
}

async fn manifest(bus: &Bus, snapshot: &Snapshot) -> Result<Got, SyncError> {
    let key = DesiredKey::Manifest(snapshot.device.clone());
    for attempt in 1..=TRIES {
        match bus.get(&key).await? {
            Some(got) if got.sequence >= snapshot.at_least || attempt == TRIES => {
                check_subject(&got, &key)?;
                return Ok(got);
            }
            None if attempt == TRIES || snapshot.at_least == 0 => {
                return Err(SyncError::NoManifest);
            }
            _ => tokio::time::sleep(LAG * attempt).await,
        }
    }
    Err(SyncError::NoManifest)
}

fn check_subject(got: &Got, key: &DesiredKey) -> Result<(), Refused> {
    if got.stored_under == Bucket::DesiredState.subject(key) {
        return Ok(());
    }
    let message = format!(
        "asked for {key}, got what is stored under {:?}",
        got.stored_under
    );
    Err(Refused::new(RefusalReason::WrongDevice, message))
}

fn signed(got: &Got) -> Result<Signed, Refused> {
    let body = String::from_utf8(got.body.to_vec())
        .map_err(|_| Refused::new(RefusalReason::Malformed, "the manifest is not UTF-8"))?;
    let (key_id, signature) = (
        got.header(KEY_HEADER).to_owned(),
        got.header(SIGNATURE_HEADER).to_owned(),
    );
    Ok(Signed {
        body,
        key_id,
        signature,
    })
}

type Bodies = BTreeMap<DeploymentRef, Body>;

/// The bodies of the manifest, what was wrong with one of them, and whether any is new.
async fn bodies(
    bus: &Bus,
    device: &DeviceId,
    manifest: &Manifest,
    held: &Bodies,
) -> Result<(Bodies, Option<Refused>, bool), BusError> {
    let wanted = |r: &DeploymentRef| manifest.deployments.contains_key(r);
    let mut bodies: Bodies = held
        .iter()
        .filter(|(r, _)| wanted(r))
        .map(|(r, b)| (r.clone(), b.clone()))
        .collect();
    let lacking: Vec<_> = manifest
        .deployments
        .iter()
        .filter(|&(r, revision)| bodies.get(r).is_none_or(|b| b.revision != *revision))
        .map(|(r, revision)| (r.clone(), *revision))
        .collect();
    let mut answers = stream::iter(lacking)
        .map(|(reference, revision)| async move {
            (body(bus, device, &reference, revision).await, reference)
        })
        .buffer_unordered(PARALLEL);
    let (mut refused, mut fetched) = (None, false);
    while let Some((answer, reference)) = answers.next().await {
        match answer? {
            Ok(body) => {
                bodies.insert(reference, body);
                fetched = true;
            }
            Err(problem) => refused = Some(problem),
        }
    }
    drop(answers);
    Ok((bodies, refused, fetched))
}

async fn body(
    bus: &Bus,
    device: &DeviceId,
    reference: &DeploymentRef,
    revision: Revision,
) -> Result<Result<Body, Refused>, BusError> {
    let key = DesiredKey::Entry(EntryKey {
        device: device.clone(),
        deployment: reference.clone(),
    });
    let Some(got) = bus.get(&key).await? else {
        let message = format!("the body of {reference} is not on the bus");
        return Ok(Err(Refused::new(RefusalReason::EntryMissing, message)));
    };
    Ok(check_subject(&got, &key).and_then(|()| judge(&got.body, reference, revision)))
}

fn judge(bytes: &[u8], reference: &DeploymentRef, revision: Revision) -> Result<Body, Refused> {
    let entry: DesiredEntry = payload::decode(Bucket::DesiredState, bytes).map_err(|e| {
        Refused::new(
            RefusalReason::Malformed,
            format!("the body of {reference}: {e}"),
        )
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

fn content(
    manifest: Manifest,
    signed: Signed,
    bodies: Bodies,
    previous: Option<&Content>,
) -> Content {
    let learned = previous.map(|p| p.learned.clone()).unwrap_or_default();
    let learned = learned.after(&manifest, &signed.key_id);
    let mut departed = previous.map(|p| p.departed.clone()).unwrap_or_default();
    departed.extend(
        previous
            .iter()
            .flat_map(|p| p.manifest.deployments.keys().cloned()),
    );
    departed.retain(|reference| !manifest.deployments.contains_key(reference));
    Content {
        manifest,
        signed,
        bodies,
        learned,
        departed,
    }
}
