//! What servers keep on disk.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::Platform;
use crate::Error;

/// Where etcd has its database, below its folder.
const DATABASE: &str = "member/snap/db";

impl Platform {
    /// What the folder of a server takes of the disk, in MiB.
    ///
    /// # Errors
    /// When nobody can look.
    pub async fn disk_mib(&self, server: &str) -> Result<f64, Error> {
        let folder = self.bed.folder().join(server);
        let bytes = tokio::task::spawn_blocking(move || disk(&folder)).await?;
        Ok(mib(bytes))
    }

    /// The size of etcd's database in MiB, which its quota is about; `None` if it is not where it is
    /// looked for.
    pub fn database_mib(&self) -> Option<f64> {
        let place = self.bed.folder().join("etcd").join(DATABASE);
        Some(mib(std::fs::metadata(place).ok()?.len()))
    }
}

/// What a folder takes. What goes away meanwhile takes nothing.
fn disk(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let sizes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(about) if about.is_dir() => disk(&entry.path()),
        Ok(about) => about.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

#[expect(clippy::cast_precision_loss, reason = "disks are far below 2^52 bytes")]
fn mib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
