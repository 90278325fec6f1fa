//! nkeys: made here, kept in files that only their owner reads.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nkeys::{KeyPair, XKey};

/// Why a key could not be made or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The seed cannot be encoded.
    #[error("cannot make an nkey")]
    Make(#[source] nkeys::error::Error),
    /// The seed file cannot be written or read.
    #[error("cannot write or read the seed file {path}", path = .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server refused the login, or was not there.
    #[error("cannot connect to {url} with the seed in {path}", path = .path.display())]
    Connect {
        /// The server.
        url: String,
        /// The seed file.
        path: PathBuf,
        /// What the client said.
        #[source]
        source: async_nats::ConnectError,
    },
}

/// One user of ours.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) public: String,
    pub(super) seed_file: PathBuf,
}

/// What the auth callout signs and opens with.
#[derive(Debug)]
pub(super) struct CalloutKeys {
    /// An account key.
    pub(super) issuer: Key,
    /// A curve key.
    pub(super) xkey: Key,
}

impl CalloutKeys {
    /// The names of their files end in `suffix`.
    pub(super) fn create(folder: &Path, suffix: &str) -> Result<Self, KeyError> {
        let file = |name: &str| folder.join(format!("{name}{suffix}.nk"));
        let issuer = KeyPair::new_account();
        let seed = issuer.seed().map_err(KeyError::Make)?;
        let issuer = Key::keep(file("issuer"), issuer.public_key(), &seed)?;
        let xkey = XKey::new();
        let seed = xkey.seed().map_err(KeyError::Make)?;
        let xkey = Key::keep(file("xkey"), xkey.public_key(), &seed)?;
        Ok(Self { issuer, xkey })
    }
}

/// The users that are not devices.
#[derive(Debug)]
pub(super) struct Keys {
    pub(super) operator: Key,
    pub(super) system: Key,
    pub(super) enforcer: Key,
    pub(super) auth: Key,
}

impl Keys {
    pub(super) fn create(folder: &Path) -> Result<Self, KeyError> {
        let key = |name: &str| -> Result<Key, KeyError> {
            let seed_file = folder.join(format!("{name}.nk"));
            Ok(Key {
                public: create_at(&seed_file)?,
                seed_file,
            })
        };
        Ok(Self {
            operator: key("operator")?,
            system: key("system")?,
            enforcer: key("enforcer")?,
            auth: key("auth")?,
        })
    }
}

impl Key {
    fn keep(seed_file: PathBuf, public: String, seed: &str) -> Result<Self, KeyError> {
        write_seed(&seed_file, seed)?;
        Ok(Self { public, seed_file })
    }

    pub(super) async fn connect(&self, url: &str) -> Result<async_nats::Client, KeyError> {
        connect(url, &self.seed_file).await
    }
}

/// Makes a user key, writes its seed, and gives the public half.
pub(super) fn create_at(seed_file: &Path) -> Result<String, KeyError> {
    let pair = KeyPair::new_user();
    let seed = pair.seed().map_err(KeyError::Make)?;
    write_seed(seed_file, &seed)?;
    Ok(pair.public_key())
}

fn write_seed(seed_file: &Path, seed: &str) -> Result<(), KeyError> {
    crate::secret::write(seed_file, seed.as_bytes()).map_err(|source| KeyError::File {
        path: seed_file.to_owned(),
        source,
    })
}

pub(super) async fn connect(url: &str, seed_file: &Path) -> Result<async_nats::Client, KeyError> {
    crate::secret::install_crypto_provider();
    let seed = fs::read_to_string(seed_file).map_err(|source| KeyError::File {
        path: seed_file.to_owned(),
        source,
    })?;
    async_nats::ConnectOptions::with_nkey(seed.trim().to_owned())
        .connect(url)
        .await
        .map_err(|source| KeyError::Connect {
            url: url.to_owned(),
            path: seed_file.to_owned(),
            source,
        })
}
