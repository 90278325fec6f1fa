//! The API server's file of identity providers.

use std::path::{Path, PathBuf};

use fleet_people::Provider;

use super::ControlPlaneError;
use super::files::write_secret;

/// The file.
#[derive(Debug)]
pub(super) struct Authentication(PathBuf);

impl Authentication {
    pub(super) fn create(home: &Path, provider: &Provider) -> Result<Self, ControlPlaneError> {
        let file = Self(home.join("authentication.json"));
        // JSON is YAML, which is what the server reads.
        let text = serde_json::to_string_pretty(&provider.configuration());
        let text = text.map_err(|error| ControlPlaneError::File {
            path: file.0.clone(),
            source: error.into(),
        })?;
        file.write(&text)?;
        Ok(file)
    }

    pub(super) fn write(&self, configuration: &str) -> Result<(), ControlPlaneError> {
        write_secret(&self.0, configuration)
    }

    pub(super) fn args(&self) -> [(&'static str, &Path); 1] {
        [("--authentication-config", &self.0)]
    }
}
