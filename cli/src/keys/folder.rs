//! A folder of keys: secrets readable by their owner only, public halves beside them.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_contracts::DeviceId;
use fleet_contracts::signing::ManifestSigner;
use fleet_files::private;
use nkeys::{KeyPair, KeyPairType};

use super::KeysError;
use crate::file::FileError;

/// Whether a key is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    /// It was made now.
    Now,
    /// It was there, and is unchanged.
    Before,
}

impl fmt::Display for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Now => "created",
            Self::Before => "kept",
        })
    }
}

/// The folder.
#[derive(Debug)]
pub(super) struct KeyFolder(PathBuf);

impl KeyFolder {
    /// The folder, made if it is not there.
    pub(super) fn create(path: &Path) -> Result<Self, KeysError> {
        let devices = path.join("devices");
        private::folder(&devices).map_err(FileError::of("create", &devices))?;
        Ok(Self::open(path))
    }

    /// A folder that is there.
    pub(super) fn open(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// The key that signs manifests; gives its public half.
    pub(super) fn signing_key(&self) -> Result<(String, Made), KeysError> {
        let path = self.0.join("manifest.key");
        let (text, made) = read_or_make(&path, || {
            let mut seed = [0; 32];
            aws_lc_rs::rand::fill(&mut seed).map_err(|_| KeysError::Make)?;
            Ok(STANDARD.encode(seed))
        })?;
        let signer = ManifestSigner::from_base64(&text).map_err(|_| KeysError::Content {
            path,
            what: "signing key",
        })?;
        let public = signer.trusted().to_string();
        write_public(&self.0.join("manifest.pub"), &public)?;
        Ok((public, made))
    }

    /// The nkey of a user of this name; gives its public half.
    pub(super) fn user(&self, name: &str) -> Result<(String, Made), KeysError> {
        Self::nkey(&self.0.join(format!("{name}.nk")))
    }

    /// The nkey of a device.
    pub(super) fn device(&self, id: &DeviceId) -> Result<(String, Made), KeysError> {
        Self::nkey(&self.0.join("devices").join(format!("{id}.nk")))
    }

    /// The public half of a user's key, which must be there.
    pub(super) fn public(&self, name: &str) -> Result<String, KeysError> {
        let path = self.0.join(format!("{name}.nk"));
        user_key(&path, &read(&path)?)
    }

    /// All devices with a key here, and the public halves.
    pub(super) fn devices(&self) -> Result<Vec<(DeviceId, String)>, KeysError> {
        let folder = self.0.join("devices");
        let failed = FileError::of("read", &folder);
        let mut devices = Vec::new();
        for entry in fs::read_dir(&folder).map_err(&failed)? {
            let path = entry.map_err(&failed)?.path();
            if path.extension().is_none_or(|ending| ending != "nk") {
                continue;
            }
            let name = path.file_stem().unwrap_or_default().to_string_lossy();
            let id = name.parse().map_err(|source| KeysError::DeviceName {
                path: path.clone(),
                source,
            })?;
            devices.push((id, user_key(&path, &read(&path)?)?));
        }
        devices.sort();
        Ok(devices)
    }

    fn nkey(path: &Path) -> Result<(String, Made), KeysError> {
        let (seed, made) = read_or_make(path, || {
            KeyPair::new_user().seed().map_err(|_| KeysError::Make)
        })?;
        let public = user_key(path, &seed)?;
        write_public(&path.with_extension("pub"), &public)?;
        Ok((public, made))
    }
}

/// The public half of a seed, if it is one of a user.
fn user_key(path: &Path, seed: &str) -> Result<String, KeysError> {
    KeyPair::from_seed(seed.trim())
        .ok()
        .filter(|pair| pair.key_pair_type() == KeyPairType::User)
        .map(|pair| pair.public_key())
        .ok_or_else(|| KeysError::Content {
            path: path.to_owned(),
            what: "nkey seed of a user",
        })
}

fn read(path: &Path) -> Result<String, KeysError> {
    Ok(fs::read_to_string(path).map_err(FileError::of("read", path))?)
}

/// What the file holds; a file that is not there is made, and never one that is.
fn read_or_make(
    path: &Path,
    make: impl FnOnce() -> Result<String, KeysError>,
) -> Result<(String, Made), KeysError> {
    if path.exists() {
        return Ok((read(path)?, Made::Before));
    }
    let text = make()?;
    private::create(path, text.as_bytes()).map_err(FileError::of("write", path))?;
    Ok((text, Made::Now))
}

fn write_public(path: &Path, text: &str) -> Result<(), KeysError> {
    let written = fs::write(path, format!("{text}\n"));
    Ok(written.map_err(FileError::of("write", path))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_there_is_kept_and_secrets_are_their_owners() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = KeyFolder::create(&home.path().join("keys")).expect("a folder");
        let device: DeviceId = "pi-7".parse().expect("an id");
        let first = [
            folder.signing_key().expect("made"),
            folder.user("operator").expect("made"),
            folder.device(&device).expect("made"),
        ];
        let again = [
            folder.signing_key().expect("read"),
            folder.user("operator").expect("read"),
            folder.device(&device).expect("read"),
        ];
        for ((new, made), (old, kept)) in first.iter().zip(&again) {
            assert_eq!((new, *made, *kept), (old, Made::Now, Made::Before));
        }
        assert_eq!(
            folder.devices().expect("listed"),
            [(device, first[2].0.clone())]
        );
        for secret in ["manifest.key", "operator.nk", "devices/pi-7.nk"] {
            let meta = fs::metadata(home.path().join("keys").join(secret)).expect("there");
            assert_eq!(meta.permissions().mode() & 0o777, 0o600, "{secret}");
        }
    }

    #[test]
    fn a_file_that_holds_no_key_is_named_and_not_overwritten() {
        let home = tempfile::tempdir().expect("a folder");
        let folder = KeyFolder::create(home.path()).expect("a folder");
        let path = home.path().join("operator.nk");
        fs::write(&path, "something else").expect("written");
        let error = folder.user("operator").expect_err("refused");
        assert!(matches!(&error, KeysError::Content { path: named, .. } if *named == path));
        assert_eq!(fs::read_to_string(&path).expect("there"), "something else");
    }
}
