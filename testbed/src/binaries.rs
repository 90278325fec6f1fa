//! Our own programs, as cargo built them.

use std::env;
use std::path::{Path, PathBuf};

/// The program `name` in `FLEET_BIN_DIR`, or beside the running program, or one folder up: tests
/// run from `target/debug/deps`, programs from `target/debug`.
///
/// # Errors
/// The path where it was expected.
pub(crate) fn find(name: &str) -> Result<PathBuf, PathBuf> {
    let named = env::var_os("FLEET_BIN_DIR")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    let beside = env::current_exe()
        .ok()
        .and_then(|exe| exe.parent().map(Path::to_owned));
    let above = beside.as_deref().and_then(Path::parent).map(Path::to_owned);
    let candidates: Vec<PathBuf> = [named, beside, above]
        .into_iter()
        .flatten()
        .map(|folder| folder.join(name))
        .collect();
    let found = candidates.iter().find(|path| path.is_file()).cloned();
    found.ok_or_else(|| candidates.last().cloned().unwrap_or_else(|| name.into()))
}

/// The folder in which testbeds live: `testbed` in cargo's target folder, which is the one that
/// cargo marked as a cache.
pub(crate) fn testbed_home() -> PathBuf {
    let exe = env::current_exe().unwrap_or_default();
    let target = exe
        .ancestors()
        .skip(1)
        .find(|folder| folder.join("CACHEDIR.TAG").is_file());
    target.map_or_else(
        || env::temp_dir().join("fleet-testbed"),
        |target| target.join("testbed"),
    )
}
