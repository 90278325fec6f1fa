use std::path::{Path, PathBuf};

use fleet_files::dirs::{Dirs, DirsError};

/// Where things of this user lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// What must not be lost: machines, keys.
    pub data: PathBuf,
    /// What can be made again.
    pub cache: PathBuf,
}

impl Folders {
    /// Those of the user who runs this process.
    ///
    /// # Errors
    /// When the environment names no place.
    pub fn of_user() -> Result<Self, DirsError> {
        Dirs::of_user().map(|dirs| Self::of(&dirs))
    }

    /// All in one folder.
    pub fn below(folder: &Path) -> Self {
        Self::of(&Dirs::below(folder))
    }

    fn of(dirs: &Dirs) -> Self {
        Self {
            data: dirs.data().to_owned(),
            cache: dirs.cache().to_owned(),
        }
    }

    /// Where virtual machines are, a folder each.
    pub fn machines(&self) -> PathBuf {
        self.data.join("machines")
    }

    /// The key that logs in to machines that we made.
    pub fn identity(&self) -> PathBuf {
        self.data.join("keys").join("id_ed25519")
    }
}
