//! A folder with a short path, for sockets.
//!
//! A socket's path holds at most 107 bytes (unix(7)), and podman's `--runroot` 50; a checkout may
//! well be deeper than that.

use std::env;
use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::journal::{Entry, Journal, JournalError};

/// Longer temporary folders leave too little room.
const LONGEST: usize = 20;

/// Removed by the journal's clean-up.
#[derive(Debug, Clone)]
pub(crate) struct RuntimeFolder(PathBuf);

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeFolderError {
    /// It cannot be made.
    #[error("cannot make the folder {path} for sockets", path = .path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It could not be recorded, and so was not made.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

impl RuntimeFolder {
    /// Makes one that only this user may enter: who reaches podman's socket owns the device.
    pub(crate) fn create(journal: &Journal) -> Result<Self, RuntimeFolderError> {
        let base = env::temp_dir();
        let base = if base.as_os_str().len() > LONGEST {
            PathBuf::from("/tmp")
        } else {
            base
        };
        let path = base.join(format!("fleet-{:06x}", fastrand::u32(..0x100_0000)));
        journal.write(&Entry::Folder { path: path.clone() })?;
        let made = DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|source| RuntimeFolderError::Make {
            path: path.clone(),
            source,
        })?;
        Ok(Self(path))
    }

    /// A short way to a folder that lies deep.
    pub(crate) fn way_to(&self, folder: &Path) -> io::Result<PathBuf> {
        let way = self.0.join(folder.file_name().unwrap_or_default());
        std::os::unix::fs::symlink(folder, &way)?;
        Ok(way)
    }

    /// The part of the device with this number.
    pub(crate) fn device(&self, number: u8) -> PathBuf {
        self.0.join(number.to_string())
    }
}
