//! What the device was last told to run, as it is kept: enough to run it again without a network.
//!
//! One file, replaced so that a power cut at any moment leaves the old one or the new one whole. What
//! is read back is verified like something that came over the bus. The keys that manifests announced
//! are part of it, so the folder must be writable for the agent alone, like its configuration.

mod content;

use std::io::{self, ErrorKind};

use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeviceId, UnixMillis};

pub use content::{Content, Signed};

/// The file.
pub const FILE: &str = "ledger.json";
/// What becomes the file.
const NEXT: &str = "ledger.new";

/// A folder as a file system gives it.
pub trait Folder {
    /// The content of a file.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] if there is none.
    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Creates or replaces a file. When this returns, its content is on the disk; its name need not be.
    ///
    /// # Errors
    /// When the disk is full or broken.
    fn write(&mut self, name: &str, content: &[u8]) -> io::Result<()>;

    /// Gives a file another name, in place of what has that name: after a power cut it is the one or
    /// the other.
    ///
    /// # Errors
    /// When the disk is full or broken.
    fn rename(&mut self, from: &str, to: &str) -> io::Result<()>;

    /// When this returns, all names are on the disk.
    ///
    /// # Errors
    /// When the disk is broken.
    fn sync(&mut self) -> io::Result<()>;

    /// How people find a file of this name; of the folder, if it is empty.
    fn shown(&self, name: &str) -> String;
}

/// Why the ledger could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The content is not a ledger of this device, or fails verification.
    #[error(
        "the ledger is corrupt ({problem}); it was set aside as {aside} and the device asks for a new one"
    )]
    Corrupt {
        /// What is wrong.
        problem: String,
        /// Where it is now.
        aside: String,
    },
    /// It cannot be read, written or moved.
    #[error("cannot {operation} {path}: check the disk and the permissions: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: String,
        /// Why not.
        source: io::Error,
    },
}

/// Reads and verifies it. None if there is none; what is corrupt is set aside, never deleted.
///
/// # Errors
/// See [`LedgerError`].
pub fn load(
    folder: &mut impl Folder,
    device: &DeviceId,
    configured: &[TrustedKey],
    now: UnixMillis,
) -> Result<Option<Content>, LedgerError> {
    let bytes = match folder.read(FILE) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("read", folder, FILE, e)),
    };
    match content::decode(&bytes, device, configured) {
        Ok(content) => Ok(Some(content)),
        Err(problem) => {
            let aside = format!("ledger.corrupt-{}", now.0);
            let moved = folder.rename(FILE, &aside);
            moved.map_err(|e| failed("set aside", folder, FILE, e))?;
            let aside = folder.shown(&aside);
            Err(LedgerError::Corrupt { problem, aside })
        }
    }
}

/// Replaces it; when this returns it survives a power cut.
///
/// # Errors
/// See [`LedgerError`]; the one before stays.
pub fn store(folder: &mut impl Folder, content: &Content) -> Result<(), LedgerError> {
    let written = content::encode(content).map_err(io::Error::other);
    let written = written.and_then(|bytes| folder.write(NEXT, &bytes));
    written.map_err(|e| failed("write", folder, NEXT, e))?;
    let replaced = folder.rename(NEXT, FILE);
    replaced.map_err(|e| failed("replace", folder, FILE, e))?;
    let synced = folder.sync();
    synced.map_err(|e| failed("sync", folder, "", e))
}

fn failed(
    operation: &'static str,
    folder: &impl Folder,
    name: &str,
    source: io::Error,
) -> LedgerError {
    LedgerError::Io {
        operation,
        path: folder.shown(name),
        source,
    }
}
