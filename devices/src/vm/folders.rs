use std::path::{Path, PathBuf};

use fleet_files::dirs::{Dirs, DirsError};

/// Where things of this user lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders(Dirs);

impl Folders {
    /// Those of the user who runs this process.
    ///
    /// # Errors
    /// When the environment names no place.
    pub fn of_user() -> Result<Self, DirsError> {
        Dirs::of_user().map(Self)
    }

    /// All in one folder.
    pub fn below(folder: &Path) -> Self {
        Self(Dirs::below(folder))
    }

    /// What must not be lost: machines, keys.
    pub fn data(&self) -> &Path {
        self.0.data()
    }

    /// What can be made again.
    pub fn cache(&self) -> &Path {
        self.0.cache()
    }

    /// Where virtual machines are, a folder each.
    pub fn machines(&self) -> PathBuf {
        self.0.data().join("machines")
    }

    /// The key that logs in to machines that we made.
    pub fn identity(&self) -> PathBuf {
        self.0.keys().join("id_ed25519")
    }
}
