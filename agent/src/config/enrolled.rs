//! What enrolment brought: written by `fleet-agent enrol`, never by hand.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fleet_agent_core::identity::Grant;
use fleet_contracts::DeviceId;
use fleet_contracts::enrolment::{Approval, EnrolmentId};
use fleet_contracts::signing::TrustedKey;
use serde::{Deserialize, Serialize};

use super::Identity;

const SCHEMA_VERSION: u32 = 1;
/// The generation of the key that a device enrols with.
pub(crate) const FIRST_KEY: u32 = 1;

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

    /// The device's private key of this generation. Each key has a file of its own, so that one write,
    /// that of the enrolment, says which is in use.
    pub(crate) fn key(&self, generation: u32) -> PathBuf {
        self.folder.join(match generation {
            FIRST_KEY => "device-key.pem".to_owned(),
            later => format!("device-key-{later}.pem"),
        })
    }

    /// The certificates of the enrolment service.
    pub(crate) fn service_ca(&self) -> PathBuf {
        self.folder.join("service-ca.pem")
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
    /// Which of the device's keys is in use.
    #[serde(default = "first_key")]
    pub(crate) key_generation: u32,
    /// Who replaces keys. Absent where an agent enrolled that did not do that yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) service: Option<EnrolmentService>,
}

/// The service that enrolled this device.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EnrolmentService {
    /// Its address.
    pub(crate) url: String,
    /// Whether it is known by certificates of its own, [`IdentityFiles::service_ca`].
    pub(crate) has_ca: bool,
    /// The device's enrolment there, whatever key it has by now.
    pub(crate) enrolment_id: EnrolmentId,
}

const fn first_key() -> u32 {
    FIRST_KEY
}

impl EnrolmentFile {
    pub(crate) fn new(
        labels: BTreeMap<String, String>,
        approval: Approval,
        service: EnrolmentService,
    ) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            labels,
            approval,
            key_generation: FIRST_KEY,
            service: Some(service),
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
    pub(crate) identity: Option<Identity>,
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
            labels,
            approval,
            key_generation,
            ..
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
        let key_file = files.key(key_generation);
        let mut identity = Identity::new(approval.issuer, grant, key_file, issuer_ca)?;
        identity.enrolled_in = Some(files.folder.clone());
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

impl Identity {
    /// As it is now: an enrolled device replaces its key from time to time, and then the key's name and
    /// file are others.
    pub(crate) fn current(self) -> Self {
        let now = || {
            let folder = self.enrolled_in.clone()?;
            let files = IdentityFiles { folder };
            let file = EnrolmentFile::load(&files).ok()??;
            Enrolled::from_file(file, &files).ok()?.identity
        };
        now().unwrap_or(self)
    }
}
