//! What is kept, and its bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, Revision};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Body;
use crate::accept::{self, Accepted, Candidate};
use crate::trust::Learned;

const SCHEMA_VERSION: u32 = 1;

/// A manifest as it came, so that it can be verified again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Signed {
    /// The body: JSON, so it is text.
    pub body: String,
    /// The header with the key's id.
    pub key_id: String,
    /// The header with the signature.
    pub signature: String,
}

impl Signed {
    /// To be judged.
    pub const fn candidate(&self) -> Candidate<'_> {
        Candidate {
            body: self.body.as_bytes(),
            key_id: self.key_id.as_str(),
            signature: self.signature.as_str(),
        }
    }
}

/// What the device was last told to run.
#[derive(Debug, Clone)]
pub struct Content {
    /// The manifest, parsed.
    pub manifest: Manifest,
    /// The manifest, as it came.
    pub signed: Signed,
    /// The bodies there are; where the manifest's is missing, the one before it.
    pub bodies: BTreeMap<DeploymentRef, Body>,
    /// What manifests said about whom to trust.
    pub learned: Learned,
    /// Deployments no longer wanted whose state may still lie on the bus.
    pub departed: BTreeSet<DeploymentRef>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnDisk {
    schema_version: u32,
    manifest: Signed,
    entries: BTreeMap<DeploymentRef, Entry>,
    announced_keys: Vec<TrustedKey>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    retired_keys: Vec<TrustedKey>,
    #[serde(default)]
    departed: BTreeSet<DeploymentRef>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    revision: Revision,
    score: Value,
}

/// The bytes to keep.
pub(super) fn encode(content: &Content) -> Result<Vec<u8>, serde_json::Error> {
    let entry = |body: &Body| Entry {
        revision: body.revision,
        score: Value::clone(&body.score),
    };
    let bodies = content.bodies.iter();
    serde_json::to_vec(&OnDisk {
        schema_version: SCHEMA_VERSION,
        manifest: content.signed.clone(),
        entries: bodies.map(|(r, b)| (r.clone(), entry(b))).collect(),
        announced_keys: content.learned.announced.clone(),
        retired_keys: content.learned.retired.clone(),
        departed: content.departed.clone(),
    })
}

/// Reads and verifies kept bytes; else what is wrong with them: they are no ledger, one of another
/// device, or fail verification.
pub(super) fn decode(
    bytes: &[u8],
    device: &DeviceId,
    configured: &[TrustedKey],
) -> Result<Content, String> {
    let disk: OnDisk = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let learned = Learned {
        announced: disk.announced_keys,
        retired: disk.retired_keys,
    };
    let trusted = learned.trusted(configured);
    let manifest = match accept::accept(device, &trusted, None, disk.manifest.candidate()) {
        Ok(Accepted::Newer(manifest)) => manifest,
        Ok(Accepted::Unchanged) => return Err("no manifest".into()),
        Err(refused) => return Err(refused.to_string()),
    };
    let wrong = disk
        .entries
        .iter()
        .find(|(_, e)| Revision::of(&e.score) != e.revision);
    if let Some((reference, _)) = wrong {
        return Err(format!("the body of {reference} does not have its hash"));
    }
    let body = |entry: Entry| Body {
        revision: entry.revision,
        score: Arc::new(entry.score),
    };
    let bodies = disk.entries.into_iter();
    Ok(Content {
        manifest,
        bodies: bodies.map(|(r, e)| (r, body(e))).collect(),
        signed: disk.manifest,
        learned,
        departed: disk.departed,
    })
}
