//! The device's key: made on the device, and never leaves it.

use std::fmt::Debug;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_contracts::enrolment::DevicePublicKey;
use fleet_files::private;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;
use zeroize::Zeroizing;

/// More than the longest key.
const MAX_FILE: u64 = 16 << 10;

/// Why the device's key cannot be used. No variant shows any of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// It cannot be read or written.
    #[error("cannot {operation} the device's key {path}: {source}")]
    Io {
        /// What was tried.
        operation: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// Others may read it.
    #[error("the device's key {path} can be read by others (mode {mode:o}): chmod 600 {path}")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It is no key of ours.
    #[error("the device's key {0} is not an RSA key of 2048, 3072 or 4096 bits in PEM (PKCS#8)")]
    Malformed(PathBuf),
    /// The library failed.
    #[error("the device's key cannot be {0}")]
    Failed(&'static str),
}

/// A key that can be used but not seen: a file, or a chip.
pub(crate) trait DeviceKey: Send + Sync + Debug {
    /// The public half.
    fn public_key(&self) -> Result<DevicePublicKey, KeyError>;

    /// RSASSA-PKCS1-v1_5 with SHA-256 (RS256) over the message. May block for as long as a slow
    /// chip takes.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError>;
}

/// How long a new key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RsaBits {
    /// 2048 bits: made in a moment also by the slowest devices.
    B2048,
    /// 3072 bits: what is recommended beyond 2030.
    #[default]
    B3072,
}

/// A key in a file, PKCS#8 in PEM. Read at every use: it is not in memory longer than needed, and
/// can be replaced.
#[derive(Debug, Clone)]
pub(crate) struct KeyFile(pub(crate) PathBuf);

impl KeyFile {
    /// Makes the key unless there is one; says whether it did. An existing file is never replaced.
    pub(crate) fn ensure(&self, bits: RsaBits) -> Result<bool, KeyError> {
        if self.0.exists() {
            return self.pair().map(|_| false);
        }
        let size = match bits {
            RsaBits::B2048 => KeySize::Rsa2048,
            RsaBits::B3072 => KeySize::Rsa3072,
        };
        let pair = KeyPair::generate(size).map_err(|_| KeyError::Failed("made"))?;
        let der: Pkcs8V1Der<'static> = pair.as_der().map_err(|_| KeyError::Failed("encoded"))?;
        let pem = pem(der.as_ref());
        match private::create(&self.0, pem.as_bytes()) {
            Ok(()) => self.pair().map(|_| true),
            // Another process was faster; what counts is what lies there.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => self.pair().map(|_| false),
            Err(source) => Err(self.io("write", source)),
        }
    }

    fn io(&self, operation: &'static str, source: io::Error) -> KeyError {
        KeyError::Io {
            operation,
            path: self.0.clone(),
            source,
        }
    }

    fn pair(&self) -> Result<KeyPair, KeyError> {
        let read = |source| self.io("read", source);
        let malformed = || KeyError::Malformed(self.0.clone());
        let metadata = fs::metadata(&self.0).map_err(read)?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            let path = self.0.clone();
            return Err(KeyError::Exposed { path, mode });
        }
        if metadata.len() > MAX_FILE {
            return Err(malformed());
        }
        let pem = Zeroizing::new(fs::read(&self.0).map_err(read)?);
        let key = PrivatePkcs8KeyDer::from_pem_slice(&pem).map_err(|_| malformed())?;
        KeyPair::from_pkcs8(key.secret_pkcs8_der()).map_err(|_| malformed())
    }
}

impl DeviceKey for KeyFile {
    fn public_key(&self) -> Result<DevicePublicKey, KeyError> {
        let pair = self.pair()?;
        let der: Result<PublicKeyX509Der<'static>, _> = pair.public_key().as_der();
        let der = der.map_err(|_| KeyError::Failed("encoded"))?;
        DevicePublicKey::from_der(der.as_ref()).map_err(|_| KeyError::Malformed(self.0.clone()))
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let pair = self.pair()?;
        let mut signature = vec![0; pair.public_modulus_len()];
        pair.sign(
            &RSA_PKCS1_SHA256,
            &SystemRandom::new(),
            message,
            &mut signature,
        )
        .map_err(|_| KeyError::Failed("used to sign"))?;
        Ok(signature)
    }
}

fn pem(der: &[u8]) -> Zeroizing<String> {
    let body = Zeroizing::new(STANDARD.encode(der));
    // Long enough from the start: growing would leave copies behind.
    let mut pem = Zeroizing::new(String::with_capacity(body.len() * 2 + 100));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    let mut rest = body.as_str();
    while !rest.is_empty() {
        let (line, more) = rest.split_at(rest.len().min(64));
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str("-----END PRIVATE KEY-----\n");
    pem
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use std::os::unix::fs::PermissionsExt as _;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a folder")
    }

    #[test]
    fn a_key_is_made_once_is_private_and_signs() {
        let folder = folder();
        let key = KeyFile(folder.path().join("key.pem"));
        assert!(key.ensure(RsaBits::B2048).expect("made"));
        let mode = fs::metadata(&key.0).expect("a file").mode();
        assert_eq!(mode & 0o777, 0o600);
        let content = fs::read(&key.0).expect("a file");
        assert!(!key.ensure(RsaBits::B3072).expect("there"));
        assert_eq!(fs::read(&key.0).expect("a file"), content);
        let files = fs::read_dir(folder.path()).expect("a folder").count();
        assert_eq!(files, 1, "nothing is left beside it");

        let public = key.public_key().expect("a public key");
        let signature = key.sign(b"message").expect("signed");
        let verifier = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public.as_der());
        assert!(verifier.verify(b"message", &signature).is_ok());
        assert!(verifier.verify(b"massage", &signature).is_err());
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }

    #[test]
    fn a_key_that_others_may_read_or_that_is_none_is_refused() {
        let folder = folder();
        let key = KeyFile(folder.path().join("key.pem"));
        assert!(matches!(key.sign(b""), Err(KeyError::Io { .. })));
        assert!(key.ensure(RsaBits::B2048).expect("made"));
        fs::set_permissions(&key.0, fs::Permissions::from_mode(0o640)).expect("changed");
        assert!(matches!(
            key.sign(b""),
            Err(KeyError::Exposed { mode: 0o640, .. })
        ));
        private::replace(&key.0, b"-----BEGIN PRIVATE KEY-----\nAAAA\n").expect("written");
        let refused = key.ensure(RsaBits::B2048).expect_err("refused");
        assert!(matches!(refused, KeyError::Malformed(_)));
        assert!(!refused.to_string().contains("AAAA"));
    }
}
