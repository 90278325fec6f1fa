//! The identity provider's keys in a file, so that a replica that starts while the provider is away has
//! some.
//!
//! Whoever can write this file decides whose tokens are believed. So it is ours alone, it counts for one
//! issuer and for a stated time only, and what is wrong with it makes it worth nothing.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use fleet_auth_core::KeySet;
use fleet_auth_core::jwk::KeySetError;
use fleet_files::private;
use serde::{Deserialize, Serialize};

use super::Version;
use crate::clock;

/// Why a file of keys is not used or not written.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// It cannot be read or written.
    #[error("failed to read or write the kept keys in {path}")]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Others could have written it.
    #[error("{0} is not used: others may write it")]
    Exposed(PathBuf),
    /// It holds something else.
    #[error("{path} holds no kept keys")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// What it holds as keys are none.
    #[error("{path} holds keys that cannot be used")]
    Keys {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: KeySetError,
    },
    /// They are of another identity provider, or too old, or of the future.
    #[error("the keys in {path} are not used: {problem}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// The file's content.
#[derive(Debug, Serialize, Deserialize)]
struct Content {
    issuer: String,
    /// When they were read, in seconds since 1970.
    read: u64,
    /// The document as it was read.
    document: String,
}

/// A file for the keys of one issuer.
#[derive(Debug)]
pub struct KeptKeys {
    path: PathBuf,
    issuer: String,
}

impl KeptKeys {
    /// Reads and writes nothing yet.
    pub const fn new(path: PathBuf, issuer: String) -> Self {
        Self { path, issuer }
    }

    /// The keys with their version and age; none if there is no file.
    pub(super) fn load(
        &self,
        max_age: Duration,
    ) -> Result<Option<(KeySet, Version, Duration)>, KeptError> {
        let about = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            about => about.map_err(|source| self.failed(source))?,
        };
        if about.permissions().mode() & 0o022 != 0 {
            return Err(KeptError::Exposed(self.path.clone()));
        }
        let text = fs::read(&self.path).map_err(|source| self.failed(source))?;
        let content: Content =
            serde_json::from_slice(&text).map_err(|source| KeptError::Malformed {
                path: self.path.clone(),
                source,
            })?;
        if content.issuer != self.issuer {
            return Err(self.unfit(format!("they are of {:?}", content.issuer)));
        }
        let Some(age) = clock::now().checked_sub(content.read) else {
            return Err(self.unfit("they are of the future; is the clock right?".to_owned()));
        };
        let age = Duration::from_secs(age);
        if age > max_age {
            return Err(self.unfit(format!("they were read {} s ago", age.as_secs())));
        }
        let document = content.document.as_bytes();
        let set = KeySet::parse(document).map_err(|source| KeptError::Keys {
            path: self.path.clone(),
            source,
        })?;
        Ok(Some((set, Version::of(document), age)))
    }

    /// Keeps a document that was just read and is good.
    pub(super) fn save(&self, document: &[u8]) -> Result<(), KeptError> {
        let content = Content {
            issuer: self.issuer.clone(),
            read: clock::now(),
            document: String::from_utf8_lossy(document).into_owned(),
        };
        let text = serde_json::to_vec(&content).map_err(|source| KeptError::Malformed {
            path: self.path.clone(),
            source,
        })?;
        private::replace(&self.path, &text).map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> KeptError {
        KeptError::File {
            path: self.path.clone(),
            source,
        }
    }

    fn unfit(&self, problem: String) -> KeptError {
        KeptError::Unfit {
            path: self.path.clone(),
            problem,
        }
    }
}
