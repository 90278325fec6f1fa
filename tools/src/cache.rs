//! The cache folder: where finished builds live, and the lock that keeps builders apart.

use std::env;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::catalog::{Form, Tool};

/// The variable that moves the cache away from `.cache` in the workspace.
const CACHE_VARIABLE: &str = "FLEET_CACHE_DIR";

/// A folder of finished builds, one sub-folder per tool, version and hash.
#[derive(Debug, Clone)]
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// The cache in `FLEET_CACHE_DIR`, or else in `.cache` at the root of the workspace.
    pub fn from_env() -> Self {
        let named = env::var_os(CACHE_VARIABLE).filter(|folder| !folder.is_empty());
        let base = named.map_or_else(|| workspace().join(".cache"), PathBuf::from);
        Self::at(base.join("tools"))
    }

    /// A cache in the folder `root`, which is made when the first build starts.
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where `tool` is or will be.
    pub fn path(&self, tool: Tool) -> PathBuf {
        self.root.join(tool.cache_key()).join(tool.name())
    }

    /// The finished build of `tool`, if there is one.
    pub fn find(&self, tool: Tool) -> Option<PathBuf> {
        let path = self.path(tool);
        let there = match tool.form() {
            Form::Program => path.is_file(),
            Form::Folder => path.is_dir(),
        };
        there.then_some(path)
    }

    /// Makes the folder and gives its absolute path, as Go wants it.
    pub(crate) fn create(&self) -> io::Result<PathBuf> {
        fs::create_dir_all(&self.root)?;
        self.root.canonicalize()
    }

    /// Opens the lock file. Whoever holds its lock may build and install.
    pub(crate) fn lock_file(&self) -> io::Result<File> {
        fs::create_dir_all(&self.root)?;
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(self.root.join("lock"))
    }

    /// Moves a finished binary into place. The folder is filled beside its final name and renamed,
    /// so that a reader sees all of it or nothing.
    pub(crate) fn install(&self, tool: Tool, built: &Path) -> io::Result<PathBuf> {
        let target = self.path(tool);
        let folder = self.root.join(tool.cache_key());
        let staged = self.root.join(format!("{}.new", tool.cache_key()));
        remove_if_there(&staged)?;
        fs::create_dir_all(&staged)?;
        fs::rename(built, staged.join(tool.name()))?;
        remove_if_there(&folder)?;
        fs::rename(&staged, &folder)?;
        Ok(target)
    }
}

/// The root of the workspace that this crate was built in.
pub(crate) fn workspace() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Removes a folder with all in it; one that is not there is fine.
pub(crate) fn remove_if_there(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installed_tool_is_found_and_replaces_an_older_one() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path().join("cache"));
        assert_eq!(cache.find(Tool::Etcd), None);
        cache.create().unwrap();
        for content in ["one", "two"] {
            let built = folder.path().join("built");
            fs::write(&built, content).unwrap();
            let path = cache.install(Tool::Etcd, &built).unwrap();
            assert_eq!(cache.find(Tool::Etcd), Some(path.clone()));
            assert_eq!(fs::read_to_string(path).unwrap(), content);
        }
        assert_eq!(cache.find(Tool::NatsServer), None);
    }
}
