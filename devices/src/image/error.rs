use std::io;
use std::path::{Path, PathBuf};

use fleet_devices_core::vm::image::{ImageError, Release, SignatureError};

/// Why there is no image.
#[derive(Debug, thiserror::Error)]
pub enum ImageFailure {
    /// No such file, and no such release.
    #[error(
        "{path} is no file, and no image of the catalogue either: there are {}",
        Release::names()
    )]
    NotFound {
        /// What was asked for.
        path: PathBuf,
    },
    /// An address without a checksum.
    #[error("nothing says what {url} should be: give its checksum by --checksum")]
    Unverifiable {
        /// The address.
        url: String,
    },
    /// The folder of images cannot be used.
    #[error("cannot use {path}")]
    Folder {
        /// What was to be used.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// There is no room.
    #[error(
        "no space left in {path}: {needed} more MiB are needed, {left} are there; make room, or keep \
         images elsewhere (FLEET_HOME)"
    )]
    NoSpace {
        /// Where.
        path: PathBuf,
        /// How much is missing for the whole, in MiB.
        needed: u64,
        /// How much is there, in MiB.
        left: u64,
    },
    /// No answer, or one that broke off, several times.
    #[error("{url} cannot be fetched; what came so far is kept, so run it again")]
    Unreachable {
        /// The address.
        url: String,
        /// What happened the last time.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server says no.
    #[error("the server of {url} answers {status}; look whether that is still its address")]
    Refused {
        /// The address.
        url: String,
        /// What it answers.
        status: u16,
    },
    /// It is longer than such a file is.
    #[error("{url} is longer than {limit} bytes, and no such file is")]
    TooLong {
        /// The address.
        url: String,
        /// The limit, in bytes.
        limit: usize,
    },
    /// All of it came, and it is not what it should be.
    #[error(
        "{url} is not what it should be: its checksum is {actual}, and not {expected}; it was thrown \
         away. Run it again; if it stays so, do not use it"
    )]
    ChecksumMismatch {
        /// The address.
        url: String,
        /// What it is.
        actual: String,
        /// What it should be.
        expected: String,
    },
    /// The list does not say what the image should be.
    #[error("{url}: {source}")]
    List {
        /// The address of the list.
        url: String,
        /// Why.
        source: ImageError,
    },
    /// The list is not believed.
    #[error("{url}: {source}")]
    Signature {
        /// The address of the list.
        url: String,
        /// Why.
        source: SignatureError,
    },
    /// Nothing verifies signatures here.
    #[error(
        "gpgv, which verifies the distribution's signature, does not run; install gpgv (Debian, Ubuntu), \
         gnupg2 (Fedora) or gnupg (Arch)"
    )]
    NoVerifier(#[source] io::Error),
}

impl ImageFailure {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound { .. } => "ImageNotFound",
            Self::Unverifiable { .. } => "ImageUnverifiable",
            Self::Folder { .. } => "ImageFolder",
            Self::NoSpace { .. } => "NoSpace",
            Self::Unreachable { .. } => "ImageUnreachable",
            Self::Refused { .. } => "ImageRefused",
            Self::TooLong { .. } => "TooLong",
            Self::ChecksumMismatch { .. } => "ChecksumMismatch",
            Self::List { source, .. } => source.reason(),
            Self::Signature { source, .. } => source.reason(),
            Self::NoVerifier(_) => "NoVerifier",
        }
    }

    pub(super) fn folder(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| Self::Folder { path, source }
    }
}
