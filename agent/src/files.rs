//! Inline files: written to the state folder, mounted read-only, removed with their service.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet_agent_core::{DesiredService, ServiceKey};
use fleet_files::private;

/// Inline files cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}")]
pub(crate) struct FilesError {
    path: PathBuf,
    source: io::Error,
}

/// The folder of inline files.
#[derive(Debug, Clone)]
pub(crate) struct Files {
    root: PathBuf,
}

impl Files {
    /// Below the state folder.
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self {
            root: state_dir.join("files"),
        }
    }

    fn folder(&self, key: &ServiceKey) -> PathBuf {
        self.root
            .join(key.deployment.to_string())
            .join(key.service.as_str())
    }

    /// Writes the files of a service; answers where they are, in order.
    pub(crate) fn write(&self, service: &DesiredService) -> Result<Vec<PathBuf>, FilesError> {
        if service.spec.files.is_empty() {
            return Ok(vec![]);
        }
        let folder = self.folder(&service.key);
        let error = |path: &Path| {
            let path = path.to_owned();
            move |source| FilesError { path, source }
        };
        fs::create_dir_all(&folder).map_err(error(&folder))?;
        let mut paths = Vec::with_capacity(service.spec.files.len());
        for (index, file) in service.spec.files.iter().enumerate() {
            // Numbered: the container sees its own path, and a name from outside never becomes ours.
            let path = folder.join(index.to_string());
            let content = file.content.as_bytes();
            private::replace_for(&path, content, file.mode.bits()).map_err(error(&path))?;
            paths.push(path);
        }
        Ok(paths)
    }

    /// Removes the files of a service, if there are any.
    pub(crate) fn remove(&self, key: &ServiceKey) {
        let folder = self.folder(key);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%key, %error, "cannot remove the inline files");
            }
            // The deployment's folder goes with its last service; otherwise this fails, rightly.
            Ok(()) => drop(folder.parent().map(fs::remove_dir)),
            Err(_) => {}
        }
    }
}
