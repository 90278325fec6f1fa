//! What a testbed has started, written down as it starts it, and the clean-up that reads it.
//!
//! The journal is a file of JSON lines in the testbed's folder. A process is named by its id and
//! its start time, so a re-used id is never killed. Everything started also carries the folder's
//! path in its environment ([`MARK`]); that covers the moment between a start and its record, and
//! the helpers that servers start themselves.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::control_groups;
use crate::process::{kill_pid, lock};
use crate::procfs;
use crate::wait;

/// The variable in the environment of everything a testbed starts; its value is the folder. Not with the prefix of
/// our programs' settings: those keep them from what they start themselves, as QEMU.
pub(crate) const MARK: &str = "TESTBED_FOLDER";

const FILE: &str = "journal";
/// How long the processes of a dead testbed may take to go.
const KILL_TIME: Duration = Duration::from_secs(10);

/// Why something could not be recorded or cleaned.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The journal cannot be written, so nothing may be started.
    #[error("cannot record in {path} what is started", path = .path.display())]
    Write {
        /// The journal.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Processes of this testbed are still there after SIGKILL.
    #[error("processes of {folder} survived SIGKILL: {pids:?}", folder = .folder.display())]
    Survivors {
        /// The testbed.
        folder: PathBuf,
        /// Their ids.
        pids: Vec<u32>,
    },
    /// A folder could not be removed.
    #[error("cannot remove {path}", path = .path.display())]
    Remove {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}

/// One line of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", tag = "kind")]
pub(crate) enum Entry {
    /// The process that owns the testbed; when it is gone, the rest is a remain.
    Owner { pid: u32, start: u64 },
    /// A process is about to be started.
    Starting { name: String },
    /// A process was started.
    Process { name: String, pid: u32, start: u64 },
    /// A network interface is about to be made.
    Interface { name: String },
    /// A folder outside the testbed's own is about to be made.
    Folder { path: PathBuf },
    /// A podman store is about to be made: its containers may leave control groups behind.
    Store { path: PathBuf },
    /// containerd's folder is about to be made; the same goes for it.
    Containerd { path: PathBuf },
    /// A control group is about to be made.
    Group { path: PathBuf },
}

/// The open journal of a running testbed.
#[derive(Debug, Clone)]
pub(crate) struct Journal {
    folder: Arc<PathBuf>,
    file: Arc<Mutex<File>>,
}

impl Journal {
    /// Opens the journal of the testbed in `folder` and enters this process as its owner.
    pub(crate) fn create(folder: &Path) -> Result<Self, JournalError> {
        let path = folder.join(FILE);
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| JournalError::Write { path, source })?;
        let journal = Self {
            folder: Arc::new(folder.to_owned()),
            file: Arc::new(Mutex::new(file)),
        };
        let pid = std::process::id();
        if let Some(start) = procfs::start_time(pid) {
            journal.write(&Entry::Owner { pid, start })?;
        }
        Ok(journal)
    }

    /// The testbed's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn write(&self, entry: &Entry) -> Result<(), JournalError> {
        let error = |source| JournalError::Write {
            path: self.folder.join(FILE),
            source,
        };
        let mut line = serde_json::to_vec(entry).map_err(|source| error(source.into()))?;
        line.push(b'\n');
        lock(&self.file).write_all(&line).map_err(error)
    }
}

/// Reads a journal. A torn last line is what a crash leaves; it is passed over.
pub(crate) fn read(folder: &Path) -> Vec<Entry> {
    let text = fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .collect()
}

/// The owner, if it still runs.
pub(crate) fn living_owner(entries: &[Entry]) -> Option<u32> {
    entries.iter().find_map(|entry| match entry {
        Entry::Owner { pid, start } if procfs::is_alive(*pid, *start) => Some(*pid),
        _ => None,
    })
}

/// The recorded processes that still run, by name.
pub(crate) fn living_processes(entries: &[Entry]) -> Vec<(String, u32)> {
    let alive = |entry: &Entry| match entry {
        Entry::Process { name, pid, start } if procfs::is_alive(*pid, *start) => {
            Some((name.clone(), *pid))
        }
        _ => None,
    };
    entries.iter().filter_map(alive).collect()
}

/// Ends every process of the testbed in `folder` and takes down its network and control groups.
/// The files stay.
pub(crate) fn clean(folder: &Path) -> Result<(), JournalError> {
    let entries = read(folder);
    let survivors = || {
        let mut pids: Vec<u32> = living_processes(&entries)
            .into_iter()
            .map(|(_, pid)| pid)
            .collect();
        pids.extend(procfs::with_environment(MARK, folder));
        pids
    };
    let gone = wait::until_blocking(KILL_TIME, || {
        let pids = survivors();
        for pid in &pids {
            kill_pid(*pid);
        }
        pids.is_empty()
    });
    let mut removed = Ok(());
    for entry in &entries {
        match entry {
            Entry::Interface { name } => delete_interface(name),
            Entry::Store { path } => control_groups::remove_podman(path),
            Entry::Containerd { path } => control_groups::remove_containerd(path),
            Entry::Group { path } => control_groups::remove_group(path),
            // The testbed's own folder stays until all of this is done, so a failure is found there.
            Entry::Folder { path } => removed = removed.and(remove(path)),
            _ => {}
        }
    }
    if gone {
        return removed;
    }
    Err(JournalError::Survivors {
        folder: folder.to_owned(),
        pids: survivors(),
    })
}

/// Removes the testbed's folder.
pub(crate) fn remove(folder: &Path) -> Result<(), JournalError> {
    let Err(source) = fs::remove_dir_all(folder) else {
        return Ok(());
    };
    if source.kind() == io::ErrorKind::NotFound {
        return Ok(());
    }
    // A rootless store holds files of mapped users, which only its own user namespace may remove.
    // Not `podman unshare`: that leaves a process behind to hold its namespace.
    let map = [
        "--user",
        "--map-root-user",
        "--map-auto",
        "--",
        "rm",
        "-rf",
        "--",
    ];
    let path = folder.to_string_lossy();
    let unshared = quiet("unshare", &[&map[..], &[path.as_ref()]].concat());
    if unshared && !folder.exists() {
        return Ok(());
    }
    Err(JournalError::Remove {
        path: folder.to_owned(),
        source,
    })
}

fn delete_interface(name: &str) {
    if Path::new("/sys/class/net").join(name).exists() {
        quiet("ip", &["link", "delete", name]);
    }
}

/// Runs a helper and says whether it succeeded; its output is of no interest.
fn quiet(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> PathBuf {
        let folder = std::env::temp_dir().join(format!("fleet-journal-{}", crate::secret::token()));
        fs::create_dir(&folder).unwrap();
        folder
    }

    #[test]
    fn the_mark_is_no_setting_of_our_programs() {
        // Those keep them from what they start, and nobody would find that again.
        assert!(!MARK.starts_with("FLEET_"));
    }

    #[test]
    fn what_was_written_is_read_up_to_the_line_that_a_crash_tore() {
        let folder = folder();
        let journal = Journal::create(&folder).unwrap();
        let entry = Entry::Interface {
            name: "fleet0".to_owned(),
        };
        journal.write(&entry).unwrap();
        lock(&journal.file).write_all(b"{\"kind\":\"proc").unwrap();

        let entries = read(&folder);
        assert_eq!(living_owner(&entries), Some(std::process::id()));
        assert_eq!(entries.get(1..), Some(&[entry][..]));
        remove(&folder).unwrap();
        remove(&folder).unwrap();
        assert_eq!(read(&folder), []);
    }

    #[test]
    fn a_process_id_that_was_given_to_another_process_is_not_ours() {
        let pid = std::process::id();
        let start = procfs::start_time(pid).unwrap();
        let process = |start| Entry::Process {
            name: "etcd".to_owned(),
            pid,
            start,
        };
        assert_eq!(living_processes(&[process(start - 1)]), []);
        assert_eq!(
            living_processes(&[process(start)]),
            [("etcd".to_owned(), pid)]
        );
        assert_eq!(
            living_owner(&[Entry::Owner {
                pid,
                start: start - 1
            }]),
            None
        );
    }
}
