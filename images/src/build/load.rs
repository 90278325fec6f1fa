//! Into podman, for whoever wants to try an image at once.

use std::io;
use std::path::Path;
use std::process::Command;

use crate::oci::Reference;

/// podman refused.
#[derive(Debug, thiserror::Error)]
#[error("podman load failed: {said}")]
pub struct LoadError {
    said: String,
}

/// Loads the archive; a machine without podman is none the worse. What happened, in a few words.
pub(super) fn podman(archive: &Path, reference: &Reference) -> Result<String, LoadError> {
    let load = Command::new("podman")
        .args(["load", "--quiet", "--input"])
        .arg(archive)
        .output();
    match load {
        Ok(done) if done.status.success() => {
            Ok(format!("loaded; try podman run --rm {reference} --version"))
        }
        Ok(done) => Err(LoadError {
            said: String::from_utf8_lossy(&done.stderr).trim().to_owned(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Ok("not loaded: podman is missing".to_owned())
        }
        Err(error) => Err(LoadError {
            said: error.to_string(),
        }),
    }
}
