//! Files that only their owner reads.
//!
//! What is written has its mode from its creation on, lies beside its place until it is on disk, and then
//! takes its place in one step: who reads sees the old file or the new one, also after a power cut. What a
//! process that was killed leaves behind has an extension of its own, and nobody reads it; [`sweep`] takes
//! it away.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// How the extension of a file begins that is being written.
const UNFINISHED: &str = "new-";

/// For the owner alone.
const MODE: u32 = 0o600;

/// Writes a file where none is.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] if there is one, which stays as it is; whatever else the system says.
pub fn create(path: &Path, content: &[u8]) -> io::Result<()> {
    let staged = staged(path, content, MODE)?;
    let linked = fs::hard_link(&staged, path);
    let placed = match linked {
        Err(error) if error.kind() != ErrorKind::AlreadyExists && !path.exists() => {
            // A file system without links: better a moment's race than no file.
            return fs::rename(&staged, path).and_then(|()| sync_folder(path));
        }
        placed => placed,
    };
    fs::remove_file(&staged)?;
    placed.and_then(|()| sync_folder(path))
}

/// Writes a file, in place of the one that is there if there is one.
///
/// # Errors
/// What the system says.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    replace_for(path, content, MODE)
}

/// The same for others, too: with this mode, whatever the process's umask. Until it has its place it is
/// for its owner alone.
///
/// # Errors
/// What the system says.
pub fn replace_for(path: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let staged = staged(path, content, mode)?;
    fs::rename(&staged, path)?;
    sync_folder(path)
}

/// Makes a folder that only its owner enters, and those above it that are not there. One that is there
/// stays as it is.
///
/// # Errors
/// What the system says.
pub fn folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Removes from a folder what processes left that were killed while they wrote. Only while nobody writes
/// there.
///
/// # Errors
/// The path that could not be read or removed, and what the system says.
pub fn sweep(folder: &Path) -> Result<(), (PathBuf, io::Error)> {
    let of = |path: &Path| {
        let path = path.to_owned();
        move |error| (path, error)
    };
    for entry in fs::read_dir(folder).map_err(of(folder))? {
        let path = entry.map_err(of(folder))?.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        if extension.starts_with(UNFINISHED) {
            fs::remove_file(&path).map_err(of(&path))?;
        }
    }
    Ok(())
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{UNFINISHED}{}", std::process::id()));
    name.into()
}

/// The content, on disk, beside its place.
fn staged(path: &Path, content: &[u8], mode: u32) -> io::Result<PathBuf> {
    let staged = beside(path);
    // Left by a process of this number that was killed, perhaps with other permissions.
    match fs::remove_file(&staged) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    let options = options.write(true).create_new(true).mode(MODE);
    let mut file = options.open(&staged)?;
    file.write_all(content)?;
    if mode != MODE {
        file.set_permissions(Permissions::from_mode(mode))?;
    }
    file.sync_all()?;
    Ok(staged)
}

/// The name of a file is on disk when its folder is.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn mode(path: &Path) -> u32 {
        let meta = fs::metadata(path).expect("there");
        meta.permissions().mode() & 0o7777
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let names = entries.map(|entry| entry.expect("read").file_name());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn what_is_there_is_not_created_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("key.pem");
        create(&path, b"first").expect("created");
        let again = create(&path, b"second").expect_err("there already");
        assert_eq!(again.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).expect("read"), b"first");
        assert_eq!(
            (mode(&path), names(folder.path())),
            (0o600, vec!["key.pem".to_owned()])
        );
    }

    #[test]
    fn what_replaces_a_file_has_its_own_mode_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        fs::write(&path, "open to all").expect("written");
        fs::set_permissions(&path, Permissions::from_mode(0o666)).expect("set");
        replace(&path, b"secret").expect("replaced");
        assert_eq!(
            (fs::read(&path).expect("read"), mode(&path)),
            (b"secret".to_vec(), 0o600)
        );
        replace_for(&path, b"shared", 0o644).expect("replaced");
        assert_eq!(
            (mode(&path), names(folder.path())),
            (0o644, vec!["token".to_owned()])
        );
    }

    #[test]
    fn what_a_killed_process_left_with_other_permissions_is_not_written_into() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        let left = beside(&path);
        fs::write(&left, "a much longer text than the secret").expect("written");
        fs::set_permissions(&left, Permissions::from_mode(0o644)).expect("set");
        replace(&path, b"secret").expect("replaced");
        assert_eq!(
            (fs::read(&path).expect("read"), mode(&path)),
            (b"secret".to_vec(), 0o600)
        );
    }

    #[test]
    fn what_killed_processes_left_is_swept_away_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["token", "token.new-17", "key.pem.new-4711", "new-york"] {
            fs::write(folder.path().join(name), "text").expect("written");
        }
        sweep(folder.path()).expect("swept");
        let mut left = names(folder.path());
        left.sort_unstable();
        assert_eq!(left, ["new-york", "token"]);
    }

    #[test]
    fn folders_are_for_their_owner() {
        let top = tempfile::tempdir().expect("a folder");
        let path = top.path().join("state/logins");
        folder(&path).expect("made");
        folder(&path).expect("there");
        assert_eq!(mode(&path), 0o700);
    }
}
