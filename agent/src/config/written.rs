//! The configuration file as people write it: everything that enrolment brings may be left out.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use fleet_contracts::DeviceId;
use serde::Deserialize;

use super::identity::WrittenIdentity;
use super::{ConfigError, Heartbeat, Manifest, Podman};

const DEFAULT_STATE_DIR: &str = "/var/lib/fleet-agent";

/// The file.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Written {
    pub(crate) device_id: Option<DeviceId>,
    state_dir: Option<PathBuf>,
    pub(super) nats: Option<WrittenNats>,
    pub(super) identity: Option<WrittenIdentity>,
    pub(crate) podman: Podman,
    pub(super) manifest: Option<Manifest>,
    pub(super) heartbeat: Heartbeat,
    pub(super) labels: BTreeMap<String, String>,
}

/// Section `[nats]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct WrittenNats {
    pub(super) url: Option<String>,
    pub(super) seed_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
}

impl Written {
    /// Reads the file; empty if there is none.
    pub(crate) fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            text => text.map_err(|source| ConfigError::Unreadable {
                path: path.into(),
                source,
            })?,
        };
        Self::parse(&text).map_err(|message| ConfigError::Invalid {
            path: path.into(),
            message,
        })
    }

    /// From text; the error names line and key.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    /// Where the agent keeps what it writes.
    pub(crate) fn state_dir(&self) -> PathBuf {
        let written = self.state_dir.clone();
        written.unwrap_or_else(|| DEFAULT_STATE_DIR.into())
    }
}
