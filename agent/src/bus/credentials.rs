//! How a device proves who it is.

use std::path::PathBuf;
use std::pin::Pin;

use fleet_agent_core::identity::Failed;

/// Why a device cannot prove who it is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    /// The seed cannot be read.
    #[error("cannot read the nkey seed {path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The seed is none, or cannot sign.
    #[error("the nkey seed {path} is not valid: {source}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why.
        source: nkeys::error::Error,
    },
    /// The identity provider gave none.
    #[error("no token to present ({reason}): {failed}", reason = .failed.reason)]
    NoToken {
        /// Why not.
        failed: Failed,
    },
    /// The first one is still on its way.
    #[error("no token to present yet")]
    NoTokenYet,
}

/// The answer to a challenge, on its way. `Sync` because the client asks for it.
pub(crate) type Authentication =
    Pin<Box<dyn Future<Output = Result<async_nats::Auth, CredentialError>> + Send + Sync>>;

/// A source of credentials, asked at every connect: they may be short-lived.
pub(crate) trait CredentialSource: Send + Sync {
    /// Answers the server's challenge.
    fn authenticate(&self, nonce: Vec<u8>) -> Authentication;

    /// Hears that the last answer was accepted.
    fn accepted(&self) {}
}

/// A static nkey user, its seed in a file; read at every connect, so that it can be replaced.
#[derive(Debug, Clone)]
pub(crate) struct SeedFile(pub(crate) PathBuf);

impl SeedFile {
    /// Whether the seed can be read and signs.
    pub(crate) fn check(&self) -> Result<(), CredentialError> {
        self.sign(b"").map(drop)
    }

    fn sign(&self, nonce: &[u8]) -> Result<async_nats::Auth, CredentialError> {
        let path = || self.0.clone();
        let seed = std::fs::read_to_string(&self.0);
        let seed = seed.map_err(|source| CredentialError::Unreadable {
            path: path(),
            source,
        })?;
        let invalid = |source| CredentialError::Invalid {
            path: path(),
            source,
        };
        let key = nkeys::KeyPair::from_seed(seed.trim()).map_err(invalid)?;
        let mut auth = async_nats::Auth::new();
        auth.signature = Some(key.sign(nonce).map_err(invalid)?);
        auth.nkey = Some(key.public_key());
        Ok(auth)
    }
}

impl CredentialSource for SeedFile {
    fn authenticate(&self, nonce: Vec<u8>) -> Authentication {
        let auth = self.sign(&nonce);
        Box::pin(std::future::ready(auth))
    }
}
