//! Where logins are kept: a file each below the user's state folder, for nobody else to read.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_files::dirs::{Dirs, DirsError};
use fleet_files::private;
use tokio::time::Instant;

use super::session::Session;
use crate::file::FileError;

/// Longer than whoever holds the lock may take to refresh.
const LOCK_TIME: Duration = Duration::from_secs(60);
/// How often a lock that is held is tried again; kubectl's user waits.
const LOCK_STEP: Duration = Duration::from_millis(50);

/// Why a login cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Nowhere to keep it.
    #[error(transparent)]
    NoHome(#[from] DirsError),
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// Another process keeps the lock.
    #[error("another fleet has been refreshing this login for {seconds} s ({path} is locked)", seconds = LOCK_TIME.as_secs(), path = .0.display())]
    Locked(PathBuf),
}

/// The folder of all logins.
#[derive(Debug)]
pub struct Store {
    folder: PathBuf,
}

/// One login of it.
#[derive(Debug)]
pub struct Slot {
    file: PathBuf,
    lock: PathBuf,
}

/// Nobody else refreshes this login as long as it lives.
#[derive(Debug)]
pub struct Held {
    _file: File,
}

impl Store {
    /// `logins` in the user's folder of states.
    pub fn of_user() -> Result<Self, StoreError> {
        Ok(Self::at(Dirs::of_user()?.state()))
    }

    fn at(state: &Path) -> Self {
        Self {
            folder: state.join("logins"),
        }
    }

    /// The login of this key, whether it is there or not.
    pub fn slot(&self, key: &str) -> Slot {
        Slot {
            file: self.folder.join(format!("{key}.json")),
            lock: self.folder.join(format!("{key}.lock")),
        }
    }

    /// Forgets all, and what was left of a login by a process that was killed; how many there were.
    pub fn clear(&self) -> Result<usize, StoreError> {
        let failed = FileError::of("read", &self.folder);
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
            entries => entries.map_err(&failed)?,
        };
        let mut forgotten = 0;
        for entry in entries {
            let path = entry.map_err(&failed)?.path();
            if path.extension().is_some_and(|e| e == "json") && remove(&path)? {
                forgotten += 1;
            }
        }
        private::sweep(&self.folder).map_err(|(path, e)| FileError::of("remove", &path)(e))?;
        Ok(forgotten)
    }
}

impl Slot {
    /// The login, if it is there. A file that cannot be understood is none: the next login
    /// replaces it.
    pub fn read(&self) -> Result<Option<Session>, StoreError> {
        match fs::read(&self.file) {
            Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(FileError::of("read", &self.file)(source).into()),
        }
    }

    /// Replaces the login at once, so that whoever reads without the lock sees one or the other.
    pub fn write(&self, session: &Session, _held: &Held) -> Result<(), StoreError> {
        let failed = FileError::of("write", &self.file);
        let text = serde_json::to_vec(session).map_err(|e| failed(e.into()))?;
        // A refresh token that is good once must not be lost to a power cut.
        Ok(private::replace(&self.file, &text).map_err(failed)?)
    }

    /// Forgets the login; whether there was one.
    pub fn remove(&self, _held: &Held) -> Result<bool, StoreError> {
        remove(&self.file)
    }

    /// Waits until no other process refreshes this login.
    pub async fn lock(&self) -> Result<Held, StoreError> {
        let failed = FileError::of("lock", &self.lock);
        if let Some(folder) = self.lock.parent() {
            private::folder(folder).map_err(FileError::of("create", folder))?;
        }
        let mut options = File::options();
        let options = options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&self.lock);
        let file = file.map_err(&failed)?;
        let deadline = Instant::now() + LOCK_TIME;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Held { _file: file }),
                Err(TryLockError::Error(source)) => return Err(failed(source).into()),
                Err(TryLockError::WouldBlock) if Instant::now() >= deadline => {
                    return Err(StoreError::Locked(self.lock.clone()));
                }
                Err(TryLockError::WouldBlock) => tokio::time::sleep(LOCK_STEP).await,
            }
        }
    }
}

fn remove(path: &Path) -> Result<bool, StoreError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(FileError::of("remove", path)(source).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    fn session(token: &str) -> Session {
        Session {
            issuer: "https://id.example.com".to_owned(),
            client_id: "3129".to_owned(),
            subject: "7".to_owned(),
            name: None,
            issued: 0,
            expires: 60,
            id_token: token.to_owned(),
            refresh_token: None,
        }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("there").permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn a_login_is_for_its_user_alone_and_can_be_forgotten() {
        let home = tempfile::tempdir().expect("folder");
        let store = Store::at(home.path());
        let slot = store.slot("a");
        assert!(slot.read().expect("reads").is_none());
        let held = slot.lock().await.expect("locks");
        slot.write(&session("one"), &held).expect("writes");
        slot.write(&session("two"), &held).expect("writes");
        let read = slot.read().expect("reads").expect("there");
        assert_eq!(read.id_token, "two");
        assert_eq!((mode(&store.folder), mode(&slot.file)), (0o700, 0o600));
        assert!(slot.remove(&held).expect("removes"));
        assert!(!slot.remove(&held).expect("removes"));
        slot.write(&session("three"), &held).expect("writes");
        assert_eq!(store.clear().expect("clears"), 1);
        assert_eq!(store.clear().expect("clears"), 0);
    }

    #[tokio::test]
    async fn what_is_damaged_or_left_over_is_no_login() {
        let home = tempfile::tempdir().expect("folder");
        let store = Store::at(home.path());
        let slot = store.slot("a");
        let held = slot.lock().await.expect("locks");
        let left = slot.file.with_extension("json.new-1");
        fs::write(&slot.file, "{\"issuer\":").expect("written");
        fs::write(&left, "half").expect("written");
        assert!(slot.read().expect("reads").is_none());
        slot.write(&session("one"), &held).expect("writes");
        assert_eq!(mode(&slot.file), 0o600);
        assert_eq!(store.clear().expect("clears"), 1);
        assert!(!left.exists(), "a killed process may have left a token");
    }

    #[tokio::test(start_paused = true)]
    async fn one_refreshes_at_a_time() {
        let home = tempfile::tempdir().expect("folder");
        let slot = Store::at(home.path()).slot("a");
        let held = slot.lock().await.expect("locks");
        let other = slot.lock().await;
        assert!(matches!(other, Err(StoreError::Locked(_))), "{other:?}");
        drop(held);
        slot.lock().await.expect("free again");
    }
}
