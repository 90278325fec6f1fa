//! The key pair by which this program logs in to machines it made.

use std::path::{Path, PathBuf};

use fleet_files::private;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::{Ed25519Keypair, KeypairData};
use russh::keys::{PrivateKey, load_secret_key};

/// Why there is no key pair.
#[derive(Debug, thiserror::Error)]
pub enum KeyPairError {
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    Random,
    /// The file is there and holds no key, or one with a passphrase.
    #[error("cannot use the private key {path}; move it away, and another is made")]
    Unusable {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<russh::keys::Error>,
    },
    /// It cannot be kept.
    #[error("cannot keep the private key {path}")]
    Write {
        /// Where.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// It cannot be written down.
    #[error("failed to encode a key")]
    Encode(#[from] russh::keys::ssh_key::Error),
}

impl KeyPairError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Random => "Random",
            Self::Unusable { .. } => "KeyUnusable",
            Self::Write { .. } => "KeyUnwritable",
            Self::Encode(_) => "KeyEncode",
        }
    }
}

/// Makes an Ed25519 key at `path`, mode 0600, unless there is one; answers with its public half, as a line of
/// `authorized_keys`.
///
/// # Errors
/// When there is one that cannot be used, or none can be kept.
pub fn ensure(path: &Path) -> Result<String, KeyPairError> {
    if path.exists() {
        let key = load_secret_key(path, None).map_err(|source| KeyPairError::Unusable {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        return Ok(key.public_key().to_openssh()?);
    }
    let key = generate()?;
    let text = key.to_openssh(LineEnding::LF)?;
    let write = || {
        if let Some(folder) = path.parent() {
            private::folder(folder)?;
        }
        private::create(path, text.as_bytes())
    };
    write().map_err(|source| KeyPairError::Write {
        path: path.to_owned(),
        source,
    })?;
    Ok(key.public_key().to_openssh()?)
}

/// The public half of a key that is kept nowhere: for plans, where there is none yet.
///
/// # Errors
/// When the system gives no random numbers.
pub fn throwaway() -> Result<String, KeyPairError> {
    Ok(generate()?.public_key().to_openssh()?)
}

fn generate() -> Result<PrivateKey, KeyPairError> {
    let mut seed = [0; 32];
    aws_lc_rs::rand::fill(&mut seed).map_err(|_| KeyPairError::Random)?;
    let pair = KeypairData::Ed25519(Ed25519Keypair::from_seed(&seed));
    Ok(PrivateKey::new(pair, "fleet-devices")?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_nobody_else_can_read_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys/id_ed25519");
        let made = ensure(&path).expect("made");
        assert!(made.starts_with("ssh-ed25519 "), "{made}");
        assert_eq!(ensure(&path).expect("found"), made);
        let rights = std::fs::metadata(&path)
            .expect("there")
            .permissions()
            .mode();
        assert_eq!(rights & 0o777, 0o600);
    }

    #[test]
    fn what_is_no_key_is_not_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("id_ed25519");
        std::fs::write(&path, "no key").expect("written");
        let error = ensure(&path).expect_err("refused");
        assert_eq!(error.reason(), "KeyUnusable");
        assert_eq!(std::fs::read(&path).expect("there"), b"no key");
    }
}
