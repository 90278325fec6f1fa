//! A node that is lost with its cluster, and comes back as a new one.

use std::fs;
use std::io;
use std::path::Path;

use super::error::file_error;
use super::{Node, NodeError, make_volumes};

impl Node {
    /// Cuts the power, and removes what pods and the kubelet wrote: all but images.
    pub(crate) async fn lose(&self) -> Result<(), NodeError> {
        self.power_off().await?;
        for own in ["kubelet", "local-volumes"] {
            empty(&self.folder.join(own))?;
        }
        make_volumes(&self.folder.join("local-volumes"), self.volumes)
    }

    /// Boots it again, as a node of a cluster that knows nothing of it.
    pub(crate) async fn replace(&self, client: &kube::Client) -> Result<(), NodeError> {
        self.power_machine_on().await?;
        self.join(client).await
    }
}

/// Removes what is in a folder. The folder itself is what a machine mounts.
fn empty(folder: &Path) -> Result<(), NodeError> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(file_error(folder))?,
    };
    for entry in entries {
        let entry = entry.map_err(file_error(folder))?;
        let (path, kind) = (entry.path(), entry.file_type());
        let removed = if kind.map_err(file_error(folder))?.is_dir() {
            fs::remove_dir_all(&path)
        } else {
            fs::remove_file(&path)
        };
        removed.map_err(file_error(&path))?;
    }
    Ok(())
}
