//! The files of a device that replaces its key.
//!
//! The key in use has the generation that the enrolment names. The next one is made beside it, as the
//! next generation; a key before it is one that the service was not told to remove yet.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleet_files::private;
use rustix::fs::{FlockOperation, flock};

use super::RotateError;
use crate::config::{EnrolmentFile, FIRST_KEY, IdentityFiles};
use crate::enrol::service::Signer;
use crate::identity::key::{DeviceKey, KeyFile, RsaBits};

/// Held for as long as it is not dropped: two that replace one key would each take the other's for
/// their own.
pub(super) struct Lock {
    _file: File,
}

pub(super) fn lock(files: &IdentityFiles) -> Result<Lock, RotateError> {
    let path = files.folder.join("rotation.lock");
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(false).mode(0o600);
    let file = file.open(&path).map_err(error("open", &path))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {
            // There may be a key in what a process left that was killed. Under the lock it is nobody's any more.
            private::sweep(&files.folder)
                .map_err(|(path, source)| error("remove", &path)(source))?;
            Ok(Lock { _file: file })
        }
        Err(rustix::io::Errno::WOULDBLOCK) => Err(RotateError::Busy),
        Err(source) => Err(error("lock", &path)(source.into())),
    }
}

pub(super) fn load(files: &IdentityFiles) -> Result<EnrolmentFile, RotateError> {
    EnrolmentFile::load(files)?.ok_or(RotateError::NotEnrolled)
}

/// The one write that says which key is in use.
pub(super) fn store(files: &IdentityFiles, file: &EnrolmentFile) -> Result<(), RotateError> {
    let path = files.enrolment();
    let text = serde_json::to_vec_pretty(file).map_err(io::Error::other);
    let text = text.map_err(error("write", &path))?;
    private::replace(&path, &text).map_err(error("write", &path))
}

/// The key of a generation, if there is one.
pub(super) fn find(files: &IdentityFiles, generation: u32) -> Result<Option<Signer>, RotateError> {
    let key = KeyFile(files.key(generation));
    if key.0.exists() {
        signer(key).map(Some)
    } else {
        Ok(None)
    }
}

/// The key of a generation, made if there is none; as long as the one before.
pub(super) fn make(files: &IdentityFiles, generation: u32) -> Result<Signer, RotateError> {
    let key = KeyFile(files.key(generation));
    let before = KeyFile(files.key(generation - 1)).public_key()?;
    let bits = if before.as_der().len() < LONG {
        RsaBits::B2048
    } else {
        RsaBits::B3072
    };
    if key.ensure(bits)? {
        tracing::info!(path = %key.0.display(), "made the next key");
    }
    signer(key)
}

/// Bytes of a public key of 3072 bits, and more than of one of 2048.
const LONG: usize = 384;

fn signer(key: KeyFile) -> Result<Signer, RotateError> {
    let public = key.public_key()?;
    let key: Arc<dyn DeviceKey> = Arc::new(key);
    Ok(Signer { key, public })
}

/// Whether a key before this one is still there.
pub(super) fn has_earlier(files: &IdentityFiles, generation: u32) -> bool {
    earlier(files, generation).next().is_some()
}

/// Removes all keys before this one, which the service has heard of.
pub(super) fn remove_earlier(files: &IdentityFiles, generation: u32) -> Result<(), RotateError> {
    for path in earlier(files, generation) {
        match fs::remove_file(&path) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(error("remove", &path)(e)),
            _ => {}
        }
    }
    Ok(())
}

/// Each rotation removes what was before it, so there are few.
fn earlier(files: &IdentityFiles, generation: u32) -> impl Iterator<Item = PathBuf> {
    let oldest = generation.saturating_sub(3).max(FIRST_KEY);
    let paths = (oldest..generation).map(|generation| files.key(generation));
    paths.filter(|path| path.exists())
}

fn error<'p>(
    operation: &'static str,
    path: &'p Path,
) -> impl FnOnce(io::Error) -> RotateError + 'p {
    move |source| RotateError::File {
        operation,
        path: path.into(),
        source,
    }
}
