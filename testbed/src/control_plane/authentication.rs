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
        file.write(provider)?;
        Ok(file)
    }

    /// JSON is YAML, which is what the server reads.
    pub(super) fn write(&self, provider: &Provider) -> Result<(), ControlPlaneError> {
        let text = serde_json::to_string_pretty(&provider.configuration());
        let text = text.map_err(|error| ControlPlaneError::File {
            path: self.0.clone(),
            source: error.into(),
        })?;
        write_secret(&self.0, &text)
    }

    pub(super) fn args(&self) -> [(&'static str, &Path); 1] {
        [("--authentication-config", &self.0)]
    }
}
