use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::image::{
    Checksum, ChecksumAlgorithm, CloudImage, ImageReference, Verification,
};

use super::ImageProgress;
use super::download::{Downloads, Part, Patience};
use super::error::ImageFailure;

/// What nobody writes to: disks lie on top of images, and would break.
const READ_ONLY: u32 = 0o444;

/// A folder of images, each named by its checksum and its own name.
#[derive(Debug)]
pub struct Images {
    pub(super) folder: PathBuf,
    pub(super) keyring: Option<PathBuf>,
    pub(super) downloads: Downloads,
}

/// Where an image is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImagePlace {
    /// In this file.
    Here(PathBuf),
    /// To be fetched from there.
    At(String),
}

impl Images {
    /// In this folder, which is made. Signing keys come from `keyring`, or else from the system or the
    /// network.
    ///
    /// # Errors
    /// When it cannot be used.
    pub fn at(
        folder: &Path,
        keyring: Option<PathBuf>,
        patience: Patience,
    ) -> Result<Self, ImageFailure> {
        fs::create_dir_all(folder).map_err(ImageFailure::folder(folder))?;
        Ok(Self {
            folder: folder.to_owned(),
            keyring,
            downloads: Downloads::new(patience)?,
        })
    }

    /// The file of what somebody called an image. A file of this machine is taken as it is, unless a
    /// checksum was given.
    ///
    /// # Errors
    /// When there is none, or it is not what it should be.
    pub async fn file_of(
        &self,
        reference: &ImageReference,
        architecture: VmArchitecture,
        checksum: Option<Checksum>,
        progress: &mut impl ImageProgress,
    ) -> Result<PathBuf, ImageFailure> {
        match Source::of(reference, architecture, checksum.as_ref())? {
            Source::File(path) => local(path, checksum).await,
            Source::Cloud(image) => self.ensure(&image, progress).await,
        }
    }

    /// Where that is now. Nothing is fetched or verified: it is for who only wants to know.
    ///
    /// # Errors
    /// When nothing could be verified, or a file of this machine is not there.
    pub async fn place_of(
        &self,
        reference: &ImageReference,
        architecture: VmArchitecture,
        checksum: Option<&Checksum>,
    ) -> Result<ImagePlace, ImageFailure> {
        let image = match Source::of(reference, architecture, checksum)? {
            Source::File(path) => return local(path, None).await.map(ImagePlace::Here),
            Source::Cloud(image) => image,
        };
        let pinned = match &image.verification {
            Verification::Pinned(checksum) => checksum.short().to_owned(),
            Verification::SignedList { .. } => String::new(),
        };
        let ending = format!("-{}", image.file_name());
        let entries = fs::read_dir(&self.folder).map_err(ImageFailure::folder(&self.folder))?;
        let mut names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let found = names.find(|name| name.starts_with(&pinned) && name.ends_with(&ending));
        Ok(match found {
            Some(name) => ImagePlace::Here(self.folder.join(name)),
            None => ImagePlace::At(image.url),
        })
    }

    /// The file of an image, whole and verified, fetched if it is not there.
    ///
    /// # Errors
    /// When it cannot be had, or is not what it should be.
    pub async fn ensure(
        &self,
        image: &CloudImage,
        progress: &mut impl ImageProgress,
    ) -> Result<PathBuf, ImageFailure> {
        let checksum = match &image.verification {
            Verification::Pinned(checksum) => checksum.clone(),
            Verification::SignedList { .. } => self.listed(image, progress).await?,
        };
        let name = format!("{}-{}", checksum.short(), image.file_name());
        let path = self.folder.join(&name);
        // Who comes second finds what the first one fetched.
        let _lock = lock(&self.folder.join(format!("{}.lock", checksum.short()))).await?;
        if path.exists() {
            progress.begins(&format!("verifying {name}"), None);
            let actual = checksum_of(&path, checksum.algorithm()).await;
            progress.ended();
            if actual? == checksum {
                return Ok(path);
            }
            progress.says(&format!("{name} is broken; it is fetched again"));
            fs::remove_file(&path).map_err(ImageFailure::folder(&path))?;
        }
        let part = Part::at(self.folder.join(format!("{}.part", checksum.short())));
        self.whole(&image.url, &part, &checksum, progress).await?;
        let keep = || {
            fs::set_permissions(part.path(), fs::Permissions::from_mode(READ_ONLY))?;
            fs::rename(part.path(), &path)?;
            File::open(&self.folder)?.sync_all()
        };
        keep().map_err(ImageFailure::folder(&path))?;
        part.remove()?;
        Ok(path)
    }

    /// Fetches until it is what it should be. What lay there from an earlier time may be what is wrong,
    /// so that is tried without once.
    async fn whole(
        &self,
        url: &str,
        part: &Part,
        expected: &Checksum,
        progress: &mut impl ImageProgress,
    ) -> Result<(), ImageFailure> {
        loop {
            let resumed = part.length() > 0;
            self.downloads.fetch(url, part, progress).await?;
            let actual = checksum_of(part.path(), expected.algorithm()).await?;
            if actual == *expected {
                return Ok(());
            }
            part.remove()?;
            if !resumed {
                return Err(ImageFailure::ChecksumMismatch {
                    url: url.to_owned(),
                    actual: actual.hex().to_owned(),
                    expected: expected.hex().to_owned(),
                });
            }
        }
    }
}

/// What somebody called an image.
enum Source<'a> {
    File(&'a Path),
    Cloud(CloudImage),
}

impl<'a> Source<'a> {
    fn of(
        reference: &'a ImageReference,
        architecture: VmArchitecture,
        checksum: Option<&Checksum>,
    ) -> Result<Self, ImageFailure> {
        let pinned = |url, checksum: &Checksum| CloudImage::pinned(url, checksum.clone());
        Ok(match (reference, checksum) {
            (ImageReference::File(path), _) => Self::File(path),
            (ImageReference::Release(release), checksum) => {
                let image = CloudImage::of(*release, architecture);
                Self::Cloud(match checksum {
                    Some(checksum) => pinned(image.url, checksum),
                    None => image,
                })
            }
            (ImageReference::Url(url), Some(checksum)) => {
                Self::Cloud(pinned(url.clone(), checksum))
            }
            (ImageReference::Url(url), None) => {
                return Err(ImageFailure::Unverifiable { url: url.clone() });
            }
        })
    }
}

async fn local(path: &Path, checksum: Option<Checksum>) -> Result<PathBuf, ImageFailure> {
    let not_found = || ImageFailure::NotFound {
        path: path.to_owned(),
    };
    let path = path.canonicalize().map_err(|_| not_found())?;
    if !path.is_file() {
        return Err(not_found());
    }
    if let Some(expected) = checksum {
        let actual = checksum_of(&path, expected.algorithm()).await?;
        if actual != expected {
            return Err(ImageFailure::ChecksumMismatch {
                url: path.display().to_string(),
                actual: actual.hex().to_owned(),
                expected: expected.hex().to_owned(),
            });
        }
    }
    Ok(path)
}

async fn lock(path: &Path) -> Result<File, ImageFailure> {
    let path = path.to_owned();
    aside(move || {
        let locked = || {
            let file = File::create(&path)?;
            file.lock()?;
            Ok(file)
        };
        locked().map_err(ImageFailure::folder(&path))
    })
    .await
}

async fn checksum_of(path: &Path, algorithm: ChecksumAlgorithm) -> Result<Checksum, ImageFailure> {
    let path = path.to_owned();
    aside(move || {
        let sum = || {
            let mut context = digest::Context::new(match algorithm {
                ChecksumAlgorithm::Sha256 => &digest::SHA256,
                ChecksumAlgorithm::Sha512 => &digest::SHA512,
            });
            let mut file = File::open(&path)?;
            let mut buffer = vec![0; 1 << 20];
            loop {
                match file.read(&mut buffer)? {
                    0 => break,
                    length => context.update(&buffer[..length]),
                }
            }
            Checksum::parse(&hex(context.finish().as_ref())).map_err(io::Error::other)
        };
        sum().map_err(ImageFailure::folder(&path))
    })
    .await
}

pub(super) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

/// What waits for a disk or for somebody else, away from what must not wait.
pub(super) async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ImageFailure> + Send + 'static,
) -> Result<T, ImageFailure> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|ended| {
        Err(ImageFailure::Folder {
            path: PathBuf::new(),
            source: io::Error::other(ended),
        })
    })
}
