use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io::ErrorKind;
use std::num::NonZeroU16;
use std::path::Path;
use std::time::{Duration, Instant};

use fleet_devices_core::vm::{
    HostKey, HostPath, Padded, RecordError, Seed, VmFolder, VmName, VmRecord,
};
use fleet_files::private;

use super::super::error::VmError;
use super::draft::Draft;
use super::{facts, image, seed, sparse, taken};
use crate::key_pair;

/// Longer than any guest may take to shut down.
const FREE_WITHIN: Duration = Duration::from_secs(180);
const PAUSE: Duration = Duration::from_millis(100);
/// What begins with it is no machine: no name does.
const UNFINISHED: &str = ".new-";
const REMOVED: &str = ".gone-";

/// While it lives, no other one of us defines, starts or ends a machine here.
pub(in crate::vm) struct Held {
    _folder: File,
}

impl Held {
    /// Makes the folder of all machines, and holds it.
    pub(in crate::vm) async fn of(machines: &HostPath) -> Result<Self, VmError> {
        let path: &Path = machines.as_ref();
        private::folder(path).map_err(VmError::file("make", path))?;
        let folder = File::open(path).map_err(VmError::file("open", path))?;
        let deadline = Instant::now() + FREE_WITHIN;
        loop {
            match folder.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(TryLockError::WouldBlock) => {
                    let path = path.to_owned();
                    return Err(VmError::Busy { path });
                }
                Err(TryLockError::Error(error)) => return Err(VmError::file("lock", path)(error)),
            }
        }
        // What somebody left who was interrupted.
        for entry in entries(path)? {
            if entry.starts_with(UNFINISHED) || entry.starts_with(REMOVED) {
                let left = path.join(entry);
                fs::remove_dir_all(&left).map_err(VmError::file("remove", &left))?;
            }
        }
        Ok(Self { _folder: folder })
    }
}

fn entries(path: &Path) -> Result<Vec<String>, VmError> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(VmError::file("read", path)(error)),
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.collect())
}

/// What could be machines, by name.
pub(in crate::vm) fn names(machines: &HostPath) -> Result<Vec<VmName>, VmError> {
    let entries = entries(machines.as_ref())?;
    let mut names: Vec<VmName> = entries.iter().filter_map(|it| it.parse().ok()).collect();
    names.sort();
    Ok(names)
}

/// The ports that machines have, whether they run or not.
pub(in crate::vm) fn ports(machines: &HostPath) -> Result<BTreeSet<NonZeroU16>, VmError> {
    let mut ports = BTreeSet::new();
    for name in names(machines)? {
        if let Ok(Some(record)) = read(&VmFolder::of(machines, &name)?, &name) {
            ports.insert(record.ssh_port);
            ports.extend(record.spec.forwards.iter().map(|forward| forward.host));
        }
    }
    Ok(ports)
}

/// The record of a machine; `None` where there is nothing of that name.
pub(in crate::vm) fn read(folder: &VmFolder, name: &VmName) -> Result<Option<VmRecord>, VmError> {
    let record: &Path = folder.record.as_ref();
    let text = match fs::read_to_string(record) {
        Ok(text) => text,
        // Nothing, or something without a record.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            let there = fs::symlink_metadata(&folder.path).is_ok();
            let foreign = || taken(name, folder, RecordError::Foreign);
            return if there { Err(foreign()) } else { Ok(None) };
        }
        Err(error) => return Err(VmError::file("read", record)(error)),
    };
    match VmRecord::of_text(&text) {
        Ok(found) if found.spec.name == *name => Ok(Some(found)),
        Err(error @ RecordError::Foreign) => Err(taken(name, folder, error)),
        other => Err(VmError::Record {
            path: record.to_owned(),
            source: other.err().unwrap_or(RecordError::Invalid("name")),
        }),
    }
}

/// That there is one of ours, be it one whose record cannot be used.
pub(in crate::vm) fn require(folder: &VmFolder, name: &VmName) -> Result<(), VmError> {
    match read(folder, name) {
        Ok(Some(_)) | Err(VmError::Record { .. }) => Ok(()),
        Ok(None) => Err(VmError::not_found(name)),
        Err(error) => Err(error),
    }
}

/// Makes all that a machine has. Whoever is interrupted leaves nothing that looks like one.
pub(in crate::vm) async fn make(folder: &VmFolder, draft: &Draft) -> Result<(), VmError> {
    let Draft { record, image, .. } = draft;
    let path: &Path = folder.path.as_ref();
    let unfinished = path.with_file_name(format!("{UNFINISHED}{}", record.spec.name));
    let here = VmFolder::at(super::host_path(&unfinished)?)?;
    private::folder(&unfinished).map_err(VmError::file("make", &unfinished))?;
    let made = async {
        image::create(&here.files.disk, image.as_ref(), record.spec.disk_gib).await?;
        variables(&here, record)?;
        write_definition(&here, record)?;
        fs::rename(&unfinished, path).map_err(VmError::file("make", path))
    };
    let made = made.await;
    if made.is_err() {
        let _ = fs::remove_dir_all(&unfinished);
    }
    made
}

/// Writes down what a machine is from now on. It has to be off.
pub(in crate::vm) async fn rewrite(
    folder: &VmFolder,
    record: &VmRecord,
    disk_grows: bool,
) -> Result<(), VmError> {
    if disk_grows {
        image::grow(&folder.files.disk, record.spec.disk_gib).await?;
    }
    write_definition(folder, record)
}

/// Seed, known hosts, and last the record: where one of them fails, what is wanted still differs from it, and
/// all are written again.
fn write_definition(folder: &VmFolder, record: &VmRecord) -> Result<(), VmError> {
    let host_key: &Path = folder.host_key.as_ref();
    let public = key_pair::ensure(host_key)?;
    let private = fs::read_to_string(host_key).map_err(VmError::file("read", host_key))?;
    let host_key = HostKey::ed25519(&private, &public)?;
    let known_hosts = host_key.known_hosts_line(record.ssh_port.get());
    let spec = &record.spec;
    let seed = Seed::new(spec.name.clone(), &record.instance_id(), spec.admin.clone())?;
    let seed_path: &Path = folder.files.seed.as_ref();
    let image = seed::image(&seed.with_host_key(host_key));
    let image = image.map_err(VmError::file("make", seed_path))?;
    write_private(&folder.files.seed, &image)?;
    write_private(&folder.known_hosts, known_hosts.as_bytes())?;
    write_private(&folder.record, record.to_text().as_bytes())
}

/// The firmware's variables, which are the machine's own.
pub(in crate::vm) fn variables(folder: &VmFolder, record: &VmRecord) -> Result<(), VmError> {
    let firmware = facts::firmware(record.spec.architecture)?;
    let from = firmware.vars.as_deref().map(Path::new);
    let length = match from {
        Some(from) => fs::metadata(from)
            .map_err(VmError::file("read", from))?
            .len(),
        None => 0,
    };
    let length = match firmware.padded_length(length)? {
        Padded::AsItIs => length,
        Padded::To(length) => length,
    };
    let to: &Path = folder.files.vars.as_ref();
    sparse::copy(from, to, length).map_err(VmError::file("write", to))
}

fn write_private(to: &HostPath, content: &[u8]) -> Result<(), VmError> {
    let to: &Path = to.as_ref();
    private::replace(to, content).map_err(VmError::file("write", to))
}

/// Removes a machine. Whoever is interrupted leaves nothing that looks like half of one.
pub(in crate::vm) fn remove(folder: &VmFolder) -> Result<(), VmError> {
    let path: &Path = folder.path.as_ref();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let gone = path.with_file_name(format!("{REMOVED}{name}"));
    fs::rename(path, &gone).map_err(VmError::file("remove", path))?;
    fs::remove_dir_all(&gone).map_err(VmError::file("remove", &gone))
}
