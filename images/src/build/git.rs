//! What git knows of the sources. Sources without git are fine: then nothing is known.

use std::path::Path;
use std::process::Command;

use crate::oci::{Epoch, EpochError};

/// The commit, marked where files differ from it.
pub(super) fn revision(root: &Path) -> Option<String> {
    let commit = git(root, &["rev-parse", "HEAD"])?;
    let changes = git(root, &["status", "--porcelain"])?;
    let mark = if changes.is_empty() { "" } else { "-dirty" };
    Some(format!("{commit}{mark}"))
}

/// The time of the commit; 1970 where there is none.
pub(super) fn time(root: &Path) -> Result<Epoch, EpochError> {
    git(root, &["log", "-1", "--format=%ct"]).map_or_else(|| Ok(Epoch::default()), |t| t.parse())
}

fn git(root: &Path, args: &[&str]) -> Option<String> {
    let done = Command::new("git")
        .args(args)
        .current_dir(root)
        .output()
        .ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    done.status.success().then(|| text.trim().to_owned())
}
