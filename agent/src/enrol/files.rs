//! What enrolment writes, and for whom.

use std::fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use fleet_contracts::enrolment::EnrolmentToken;
use fleet_files::private;

use super::EnrolError;
use crate::config::{Enrolled, EnrolmentFile, IdentityFiles};
use crate::https::Trust;

/// More than any token.
const MAX_TOKEN_FILE: u64 = 4096;

fn error<'p>(operation: &'static str, path: &'p Path) -> impl FnOnce(io::Error) -> EnrolError + 'p {
    move |source| EnrolError::File {
        operation,
        path: path.into(),
        source,
    }
}

/// Reads the token from a file, or from standard input.
pub(super) fn token(path: &Path) -> Result<EnrolmentToken, EnrolError> {
    let mut text = String::new();
    let read = if path == Path::new("-") {
        io::stdin().take(MAX_TOKEN_FILE).read_to_string(&mut text)
    } else {
        let file = fs::File::open(path);
        file.and_then(|file| file.take(MAX_TOKEN_FILE).read_to_string(&mut text))
    };
    read.map_err(|source| EnrolError::TokenFile {
        path: path.into(),
        source,
    })?;
    Ok(text.trim().parse()?)
}

/// Makes the folder, for its owner alone.
///
/// What another user made is not written to: the agent could not read the result, and root must
/// not follow links that the agent's user may have laid.
pub(super) fn prepare(files: &IdentityFiles) -> Result<(), EnrolError> {
    let folder = &files.folder;
    private::folder(folder).map_err(error("create", folder))?;
    let me = rustix::process::geteuid().as_raw();
    let state_dir = files.folder.parent().unwrap_or(&files.folder);
    for path in [state_dir, folder] {
        let owner = fs::metadata(path).map_err(error("look at", path))?.uid();
        if owner != me {
            let path = path.to_owned();
            return Err(EnrolError::OtherUser { path, owner });
        }
    }
    remove_later_keys(folder)
}

/// Keys of an earlier enrolment, which began with another first key: a later rotation would take them
/// for its own.
fn remove_later_keys(folder: &Path) -> Result<(), EnrolError> {
    let entries = fs::read_dir(folder).map_err(error("look into", folder))?;
    for entry in entries {
        let path = entry.map_err(error("look into", folder))?.path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let is_later = stem.is_some_and(|stem| stem.starts_with("device-key-"));
        if is_later && path.extension().is_some_and(|end| end == "pem") {
            fs::remove_file(&path).map_err(error("remove", &path))?;
        }
    }
    Ok(())
}

/// Keeps what the fleet said. The file that makes the device enrolled comes last.
pub(super) fn keep(files: &IdentityFiles, file: EnrolmentFile) -> Result<(), EnrolError> {
    let text = serde_json::to_vec_pretty(&file).map_err(io::Error::other);
    let text = text.map_err(error("write", &files.enrolment()))?;
    let authorities = [
        (files.issuer_ca(), file.approval.issuer_ca.clone()),
        (files.nats_ca(), file.approval.nats_ca.clone()),
    ];
    // Refused now, rather than at every start.
    Enrolled::from_file(file, files).map_err(EnrolError::Approval)?;
    for (path, pem) in authorities {
        if let Some(pem) = pem {
            write(&path, pem.as_bytes())?;
        }
    }
    write(&files.enrolment(), &text)
}

/// Keeps the certificates by which the service is known, if it is known by such; says whether.
pub(super) fn keep_service_ca(files: &IdentityFiles, trust: &Trust) -> Result<bool, EnrolError> {
    let Trust::Only(path) = trust else {
        return Ok(false);
    };
    let pem = fs::read(path).map_err(error("read", path))?;
    write(&files.service_ca(), &pem)?;
    Ok(true)
}

fn write(path: &Path, content: &[u8]) -> Result<(), EnrolError> {
    private::replace(path, content).map_err(error("write", path))
}
