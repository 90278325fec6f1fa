//! What the device was last told to run, on disk: enough to run it again without a network.
//!
//! One file, replaced atomically and synced. What is read back is verified like something that came
//! over the bus. The keys that manifests announced are part of it, so the state folder must be
//! writable for the agent alone, like its configuration.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleet_agent_core::Body;
use fleet_agent_core::accept::{self, Accepted, Candidate};
use fleet_agent_core::trust::Learned;
use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, Revision, UnixMillis};
use serde::{Deserialize, Serialize};
use serde_json::Value;

const FILE: &str = "ledger.json";
const SCHEMA_VERSION: u32 = 1;

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The content is not a ledger of this device, or fails verification.
    #[error(
        "the ledger is corrupt ({problem}); it was set aside as {aside} and the device asks for a new one"
    )]
    Corrupt {
        /// What is wrong.
        problem: String,
        /// Where it is now.
        aside: PathBuf,
    },
    /// It cannot be read, written or moved.
    #[error("cannot {operation} {path}: check the disk and the permissions")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
}

/// A manifest as it came, so that it can be verified again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signed {
    /// The body: JSON, so it is text.
    pub(crate) body: String,
    /// The header with the key's id.
    pub(crate) key_id: String,
    /// The header with the signature.
    pub(crate) signature: String,
}

/// What the device was last told to run.
#[derive(Debug, Clone)]
pub(crate) struct Content {
    /// The manifest, parsed.
    pub(crate) manifest: Manifest,
    /// The manifest, as it came.
    pub(crate) signed: Signed,
    /// The bodies there are; where the manifest's is missing, the one before it.
    pub(crate) bodies: BTreeMap<DeploymentRef, Body>,
    /// What manifests said about whom to trust.
    pub(crate) learned: Learned,
    /// Deployments no longer wanted whose state may still lie on the bus.
    pub(crate) departed: BTreeSet<DeploymentRef>,
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

/// The file.
#[derive(Debug, Clone)]
pub(crate) struct Ledger {
    dir: PathBuf,
}

impl Ledger {
    /// In this folder.
    pub(crate) fn new(dir: &Path) -> Self {
        Self { dir: dir.into() }
    }

    fn path(&self) -> PathBuf {
        self.dir.join(FILE)
    }

    /// Reads and verifies it. `None` if there is none; what is corrupt is set aside, never deleted.
    pub(crate) fn load(
        &self,
        device: &DeviceId,
        configured: &[TrustedKey],
        now: UnixMillis,
    ) -> Result<Option<Content>, LedgerError> {
        let path = self.path();
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io("read", &path, e)),
        };
        match verify(&bytes, device, configured) {
            Ok(content) => Ok(Some(content)),
            Err(problem) => {
                let aside = self.dir.join(format!("ledger.corrupt-{}", now.0));
                fs::rename(&path, &aside).map_err(|e| io("set aside", &path, e))?;
                Err(LedgerError::Corrupt { problem, aside })
            }
        }
    }

    /// Replaces it; when this returns it survives a power cut.
    pub(crate) fn store(&self, content: &Content) -> Result<(), LedgerError> {
        let entry = |body: &Body| Entry {
            revision: body.revision,
            score: Value::clone(&body.score),
        };
        let on_disk = OnDisk {
            schema_version: SCHEMA_VERSION,
            manifest: content.signed.clone(),
            entries: content
                .bodies
                .iter()
                .map(|(r, b)| (r.clone(), entry(b)))
                .collect(),
            announced_keys: content.learned.announced.clone(),
            retired_keys: content.learned.retired.clone(),
            departed: content.departed.clone(),
        };
        let (path, temporary) = (self.path(), self.dir.join("ledger.new"));
        fs::create_dir_all(&self.dir).map_err(|e| io("create", &self.dir, e))?;
        let write = || {
            let bytes = serde_json::to_vec(&on_disk).map_err(std::io::Error::other)?;
            let mut file = File::create(&temporary)?;
            file.write_all(&bytes)?;
            file.sync_all()
        };
        write().map_err(|e| io("write", &temporary, e))?;
        fs::rename(&temporary, &path).map_err(|e| io("replace", &path, e))?;
        let synced = File::open(&self.dir).and_then(|dir| dir.sync_all());
        synced.map_err(|e| io("sync", &self.dir, e))
    }
}

fn io(operation: &'static str, path: &Path, source: std::io::Error) -> LedgerError {
    LedgerError::Io {
        operation,
        path: path.into(),
        source,
    }
}

fn verify(bytes: &[u8], device: &DeviceId, configured: &[TrustedKey]) -> Result<Content, String> {
    let disk: OnDisk = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
    let Signed {
        body,
        key_id,
        signature,
    } = &disk.manifest;
    let candidate = Candidate {
        body: body.as_bytes(),
        key_id,
        signature,
    };
    let learned = Learned {
        announced: disk.announced_keys,
        retired: disk.retired_keys,
    };
    let trusted = learned.trusted(configured);
    let manifest = match accept::accept(device, &trusted, None, candidate) {
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
    let bodies = disk.entries.into_iter();
    Ok(Content {
        manifest,
        bodies: bodies
            .map(|(r, e)| {
                (
                    r,
                    Body {
                        revision: e.revision,
                        score: Arc::new(e.score),
                    },
                )
            })
            .collect(),
        signed: disk.manifest,
        learned,
        departed: disk.departed,
    })
}
