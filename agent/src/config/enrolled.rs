//! What enrolment brought: written by `fleet-agent enrol`, never by hand.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fleet_agent_core::identity::Grant;
use fleet_contracts::DeviceId;
use fleet_contracts::enrolment::Approval;
use fleet_contracts::signing::TrustedKey;
use serde::{Deserialize, Serialize};

use super::Identity;

const SCHEMA_VERSION: u32 = 1;

/// Why what enrolment brought cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum EnrolledError {
    /// It cannot be read.
    #[error("cannot read {path}, which enrolment wrote")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is not what enrolment writes.
    #[error("{path} is not what enrolment wrote ({message}): remove it and enrol again")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
}

/// The files of a device's identity, in the state folder.
#[derive(Debug, Clone)]
pub(crate) struct IdentityFiles {
    /// The folder.
    pub(crate) folder: PathBuf,
}

impl IdentityFiles {
    pub(crate) fn in_state_dir(state_dir: &Path) -> Self {
        Self {
            folder: state_dir.join("identity"),
        }
    }

    /// The device's private key.
    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("device-key.pem")
    }

    /// The certificates of the identity provider.
    pub(crate) fn issuer_ca(&self) -> PathBuf {
        self.folder.join("issuer-ca.pem")
    }

    /// The certificates of the bus.
    pub(crate) fn nats_ca(&self) -> PathBuf {
        self.folder.join("nats-ca.pem")
    }

    /// What the fleet said. Written last: it makes the device enrolled.
    pub(crate) fn enrolment(&self) -> PathBuf {
        self.folder.join("enrolment.json")
    }
}

/// The file that makes a device enrolled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnrolmentFile {
    schema_version: u32,
    /// The labels that were asked for.
    #[serde(default)]
    labels: BTreeMap<String, String>,
    /// What the fleet said.
    pub(crate) approval: Approval,
}

impl EnrolmentFile {
    pub(crate) fn new(labels: BTreeMap<String, String>, approval: Approval) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            labels,
            approval,
        }
    }

    /// Reads it; `None` if the device is not enrolled.
    pub(crate) fn load(files: &IdentityFiles) -> Result<Option<Self>, EnrolledError> {
        let path = files.enrolment();
        let bytes = match fs::read(&path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            bytes => bytes.map_err(|source| EnrolledError::Unreadable {
                path: path.clone(),
                source,
            })?,
        };
        let file = serde_json::from_slice(&bytes);
        file.map(Some).map_err(|e| EnrolledError::Malformed {
            path,
            message: e.to_string(),
        })
    }
}

/// The settings that follow from it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Enrolled {
    pub(super) device_id: Option<DeviceId>,
    pub(super) nats_url: Option<String>,
    pub(super) nats_ca_file: Option<PathBuf>,
    pub(super) manifest_keys: Option<Vec<TrustedKey>>,
    pub(super) identity: Option<Identity>,
    pub(super) labels: BTreeMap<String, String>,
}

impl Enrolled {
    /// Reads what enrolment brought, if it did.
    pub(super) fn load(state_dir: &Path) -> Result<Option<Self>, EnrolledError> {
        let files = IdentityFiles::in_state_dir(state_dir);
        let Some(file) = EnrolmentFile::load(&files)? else {
            return Ok(None);
        };
        Self::from_file(file, &files).map(Some).map_err(|message| {
            let path = files.enrolment();
            EnrolledError::Malformed { path, message }
        })
    }

    /// The settings; fails if an approval asks for what the agent does not do.
    pub(crate) fn from_file(file: EnrolmentFile, files: &IdentityFiles) -> Result<Self, String> {
        let EnrolmentFile {
            labels, approval, ..
        } = file;
        if approval.manifest_keys.is_empty() {
            return Err("it names no manifest key".into());
        }
        let grant = Grant::JwtProfile {
            user_id: approval.user_id,
            key_id: approval.key_id,
            project_id: approval.project_id,
        };
        let issuer_ca = approval.issuer_ca.map(|_| files.issuer_ca());
        let identity = Identity::new(approval.issuer, grant, files.key(), issuer_ca)?;
        Ok(Self {
            device_id: Some(approval.device_id),
            nats_url: Some(approval.nats_url),
            nats_ca_file: approval.nats_ca.map(|_| files.nats_ca()),
            manifest_keys: Some(approval.manifest_keys),
            identity: Some(identity),
            labels,
        })
    }
}
