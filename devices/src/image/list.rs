use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use aws_lc_rs::digest;
use fleet_devices_core::vm::image::{
    Checksum, CloudImage, ImageError, Signature, SigningKey, Verification, binary_key, checksum_of,
    signed_by,
};
use tempfile::TempDir;
use tokio::process::Command;

use super::ImageProgress;
use super::error::ImageFailure;
use super::store::{Images, hex};

/// Several times the longest list there is, in bytes.
const LIST: usize = 4 << 20;
/// The same for files of keys.
const KEYS: usize = 16 << 20;

/// A list and its signature as they came.
struct Signed {
    list: Vec<u8>,
    signature: Option<Vec<u8>>,
}

impl Images {
    /// What the distribution's signed list says of an image. Where there is no network, the last list
    /// that was verified counts: a checksum does not become wrong.
    pub(super) async fn listed(
        &self,
        image: &CloudImage,
        progress: &mut impl ImageProgress,
    ) -> Result<Checksum, ImageFailure> {
        let Verification::SignedList {
            url,
            algorithm,
            signature,
            key,
        } = &image.verification
        else {
            return Err(ImageFailure::Unverifiable {
                url: image.url.clone(),
            });
        };
        let kept = Kept::of(&self.folder, url);
        let signed = match self.download(url, signature).await {
            Err(unreachable @ ImageFailure::Unreachable { .. }) => {
                let kept = kept.read(signature).ok_or(unreachable)?;
                progress.says(&format!(
                    "{url} cannot be reached; the list of last time counts"
                ));
                kept
            }
            other => other?,
        };
        let text = self.verified(url, &signed, key).await?;
        kept.write(&signed)?;
        let failure = |source| ImageFailure::List {
            url: url.clone(),
            source,
        };
        let name = image.file_name();
        let sum = checksum_of(&text, name).map_err(failure)?;
        if sum.algorithm() == *algorithm {
            Ok(sum)
        } else {
            Err(failure(ImageError::Malformed(name.to_owned())))
        }
    }

    async fn download(&self, url: &str, signature: &Signature) -> Result<Signed, ImageFailure> {
        Ok(Signed {
            list: self.downloads.read(url, LIST).await?,
            signature: match signature {
                Signature::Beside(url) => Some(self.downloads.read(url, LIST).await?),
                Signature::Inline => None,
            },
        })
    }

    /// What was signed, and nothing that stands around it.
    async fn verified(
        &self,
        url: &str,
        signed: &Signed,
        key: &SigningKey,
    ) -> Result<String, ImageFailure> {
        let distrusted = |source| ImageFailure::Signature {
            url: url.to_owned(),
            source,
        };
        let file = self.key(key).await?;
        let keyring = binary_key(&file, &key.fingerprint).map_err(distrusted)?;
        let work = TempDir::new_in(&self.folder).map_err(ImageFailure::folder(&self.folder))?;
        let put = |name: &str, content: &[u8]| {
            let path = work.path().join(name);
            let put = fs::write(&path, content).map_err(ImageFailure::folder(&path));
            put.map(|()| path)
        };
        let mut gpgv = Command::new("gpgv");
        gpgv.arg("--homedir").arg(work.path());
        gpgv.args(["--status-fd", "1", "--keyring"]);
        gpgv.arg(put("key", &keyring)?);
        let text = work.path().join("text");
        match &signed.signature {
            Some(signature) => gpgv
                .arg(put("signature", signature)?)
                .arg(put("list", &signed.list)?),
            None => gpgv
                .arg("--output")
                .arg(&text)
                .arg(put("list", &signed.list)?),
        };
        let ran = gpgv.env("LC_ALL", "C").stdin(Stdio::null()).output().await;
        let ran = ran.map_err(ImageFailure::NoVerifier)?;
        let status = String::from_utf8_lossy(&ran.stdout);
        signed_by(&status, &key.fingerprint).map_err(distrusted)?;
        let content = match &signed.signature {
            Some(_) => signed.list.clone(),
            None => fs::read(&text).map_err(ImageFailure::folder(&text))?,
        };
        Ok(String::from_utf8_lossy(&content).into_owned())
    }

    /// A file with the key. Its fingerprint is known, so it does not matter where it comes from.
    async fn key(&self, key: &SigningKey) -> Result<Vec<u8>, ImageFailure> {
        let known = key.files.iter().map(PathBuf::from);
        let found = known.into_iter().find(|path| path.is_file());
        if let Some(path) = self.keyring.clone().or(found) {
            return fs::read(&path).map_err(ImageFailure::folder(&path));
        }
        let path = self.folder.join(format!("{}.key", key.fingerprint));
        if let Ok(kept) = fs::read(&path) {
            return Ok(kept);
        }
        let file = self.downloads.read(&key.url, KEYS).await?;
        replace(&path, &file)?;
        Ok(file)
    }
}

/// Where a list is kept.
struct Kept {
    list: PathBuf,
    signature: PathBuf,
}

impl Kept {
    fn of(folder: &Path, url: &str) -> Self {
        let sum = digest::digest(&digest::SHA256, url.as_bytes());
        let name = hex(&sum.as_ref()[..8]);
        let list = folder.join(format!("{name}.list"));
        Self {
            signature: list.with_extension("sig"),
            list,
        }
    }

    fn read(&self, signature: &Signature) -> Option<Signed> {
        Some(Signed {
            list: fs::read(&self.list).ok()?,
            signature: match signature {
                Signature::Beside(_) => Some(fs::read(&self.signature).ok()?),
                Signature::Inline => None,
            },
        })
    }

    fn write(&self, signed: &Signed) -> Result<(), ImageFailure> {
        if let Some(signature) = &signed.signature {
            replace(&self.signature, signature)?;
        }
        replace(&self.list, &signed.list)
    }
}

/// Whoever reads it sees the old one or the new one.
fn replace(path: &Path, content: &[u8]) -> Result<(), ImageFailure> {
    let write = || {
        let folder = path.parent().unwrap_or(path);
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        std::io::Write::write_all(&mut file, content)?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(ImageFailure::folder(path))
}
