//! What crashed runs left behind, found by their journals.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::binaries;
use crate::journal::{self, JournalError};

/// Logs of failed tests are kept for this long.
const KEEP_LOGS: Duration = Duration::from_secs(24 * 60 * 60);
/// A folder without a journal is either just being made or older than this.
const MAKING: Duration = Duration::from_secs(60);

/// Cleans up after every testbed in this target folder whose owner is gone.
///
/// # Errors
/// The first failure; the others are cleaned all the same.
pub fn clean_remains() -> Result<(), JournalError> {
    let mut outcome = Ok(());
    for folder in all() {
        let entries = journal::read(&folder);
        let remain = if entries.is_empty() {
            older_than(&folder, MAKING)
        } else {
            journal::living_owner(&entries).is_none()
        };
        if remain {
            outcome = outcome.and(clean_one(&folder));
        }
    }
    outcome
}

/// The folders of all testbeds, running or not.
pub(crate) fn all() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(binaries::testbed_home()) else {
        return Vec::new();
    };
    let folders = entries.flatten().filter(|entry| entry.path().is_dir());
    folders
        .filter_map(|entry| entry.path().canonicalize().ok())
        .collect()
}

/// Stops everything of one testbed and removes its folder.
pub(crate) fn clean_one(folder: &Path) -> Result<(), JournalError> {
    if is_kept(folder) {
        if older_than(folder, KEEP_LOGS) {
            return journal::remove(folder);
        }
        return Ok(());
    }
    journal::clean(folder)?;
    journal::remove(folder)
}

/// Whether only the logs of a failed test are left.
pub(crate) fn is_kept(folder: &Path) -> bool {
    folder.join("kept").exists()
}

/// Removes all but the logs, and marks the folder as kept on purpose.
pub(crate) fn keep_logs(folder: &Path) -> Result<(), JournalError> {
    let error = |source| JournalError::Remove {
        path: folder.to_owned(),
        source,
    };
    for entry in fs::read_dir(folder).map_err(error)?.flatten() {
        let path = entry.path();
        if path.is_dir() && !path.ends_with("logs") {
            journal::remove(&path)?;
        }
    }
    fs::write(folder.join("kept"), "").map_err(error)
}

fn older_than(folder: &Path, age: Duration) -> bool {
    let changed = fs::metadata(folder).and_then(|metadata| metadata.modified());
    changed.is_ok_and(|at| {
        SystemTime::now()
            .duration_since(at)
            .is_ok_and(|since| since > age)
    })
}
