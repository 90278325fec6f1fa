//! A Debian of the distribution's own packages, made once and kept in the cache: the root file system that
//! tests have hosts of, and the disk image that virtual machines begin with.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, workspace};

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Debian {
    /// A folder with a root file system, by `tools/debian-root.sh`.
    Root,
    /// A disk image with UEFI and cloud-init, by `tools/vm-image.sh`.
    Image,
}

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// A file or a folder.
    #[error("cannot use {path}", path = .path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The script failed; it has said why.
    #[error(
        "{script} {architecture} failed; it wants root, and what tools/system-packages.sh installs"
    )]
    Script {
        /// Which.
        script: &'static str,
        /// For which processor.
        architecture: String,
    },
}

impl Debian {
    /// The script that makes it, and what of the repository that calls.
    const fn scripts(self) -> &'static [&'static str] {
        match self {
            Self::Root => &["debian-root.sh"],
            Self::Image => &["vm-image.sh", "debian-root.sh"],
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Self::Root => "",
            Self::Image => ".qcow2",
        }
    }

    /// Where it is for a processor, as `uname -m` calls that. Whoever comes first makes it, and the others wait.
    /// What was made by another version of the script is not used.
    ///
    /// # Errors
    /// When it is not there and cannot be made: that takes root, and an image for another processor than this
    /// machine's takes an emulator.
    pub fn ensure(self, architecture: &str) -> Result<PathBuf, DebianError> {
        let cache = Cache::from_env().root().to_owned();
        let made = self.place(&cache, architecture)?;
        fs::create_dir_all(&cache).map_err(file(&cache))?;
        let lock = cache.join(format!("{self}.lock"));
        let held = File::create(&lock).map_err(file(&lock))?;
        held.lock().map_err(file(&lock))?;
        if made.exists() {
            return Ok(made);
        }
        self.make(architecture, &made)?;
        Ok(made)
    }

    /// Makes it there, whether there is one in the cache or not.
    ///
    /// # Errors
    /// As [`ensure`](Self::ensure).
    pub fn make(self, architecture: &str, there: &Path) -> Result<(), DebianError> {
        let script = self.scripts()[0];
        let program = tools().join(script);
        let status = Command::new(&program).arg(architecture).arg(there).status();
        if status.map_err(file(&program))?.success() && there.exists() {
            return Ok(());
        }
        Err(DebianError::Script {
            script,
            architecture: architecture.to_owned(),
        })
    }

    /// Where it is, if it was made already.
    ///
    /// # Errors
    /// When the scripts cannot be read.
    pub fn find(self, architecture: &str) -> Result<Option<PathBuf>, DebianError> {
        let made = self.place(Cache::from_env().root(), architecture)?;
        Ok(made.exists().then_some(made))
    }

    fn place(self, cache: &Path, architecture: &str) -> Result<PathBuf, DebianError> {
        let mut recipe = Sha256::new();
        for script in self.scripts() {
            let path = tools().join(script);
            recipe.update(fs::read(&path).map_err(file(&path))?);
        }
        let sum = format!("{:x}", recipe.finalize());
        let name = format!("{self}-{architecture}-{}{}", &sum[..12], self.ending());
        Ok(cache.join(name))
    }
}

impl fmt::Display for Debian {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "debian-root",
            Self::Image => "vm-image",
        })
    }
}

fn tools() -> PathBuf {
    workspace().join("tools")
}

fn file(path: &Path) -> impl FnOnce(io::Error) -> DebianError {
    let path = path.to_owned();
    move |source| DebianError::File { path, source }
}
