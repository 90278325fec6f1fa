//! The folder that holds the ledger, on the device's own file system.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fleet_agent_core::ledger::Folder;

/// The state folder.
#[derive(Debug, Clone)]
pub(crate) struct StateFolder(PathBuf);

impl StateFolder {
    /// This one; it is made again if it is gone.
    pub(crate) fn new(dir: &Path) -> Self {
        Self(dir.into())
    }
}

impl Folder for StateFolder {
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.0.join(name))
    }

    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        let mut file = File::create(self.0.join(name))?;
        file.write_all(content)?;
        file.sync_all()
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.0.join(from), self.0.join(to))
    }

    fn sync(&mut self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }

    fn shown(&self, name: &str) -> String {
        let path = if name.is_empty() {
            self.0.clone()
        } else {
            self.0.join(name)
        };
        path.display().to_string()
    }
}
