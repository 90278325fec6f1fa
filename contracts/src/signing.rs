//! Signing and verifying manifests: Ed25519 (RFC 8032) over a domain tag and the body's bytes.
//!
//! The signature travels in header [`SIGNATURE_HEADER`], the id of the key in [`KEY_HEADER`].

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer as _, Verifier as _, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// Header with the base64 signature.
pub const SIGNATURE_HEADER: &str = "Fleet-Signature";
/// Header with the id of the key that signed.
pub const KEY_HEADER: &str = "Fleet-Key";

/// Signed before the body, so that no other message of ours can pass for a manifest.
const DOMAIN: &[u8] = b"fleet-manifest-v1\0";

/// What can be wrong with a key or a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningError {
    /// Not 32 bytes in base64, or not a point of the curve.
    #[error("a manifest key must be 32 bytes in base64 that form an Ed25519 key")]
    MalformedKey,
    /// The header is missing or not 64 bytes in base64.
    #[error("the manifest carries no well-formed signature")]
    MalformedSignature,
    /// Signed with a key that is not trusted here.
    #[error("the manifest is signed with key {0}, which this device does not trust")]
    UnknownKey(String),
    /// The signature is not this key's over this body.
    #[error("the manifest's signature does not match its body")]
    Mismatch,
}

/// Names a public key: the first 16 hexadecimal digits of its SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyId(String);

impl KeyId {
    fn of(key: &VerifyingKey) -> Self {
        Self(HEXLOWER.encode(&Sha256::digest(key.as_bytes())[..8]))
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The operator's secret key. Its `Debug` never shows it, and it is wiped on drop.
pub struct ManifestSigner {
    key: ed25519_dalek::SigningKey,
    id: KeyId,
}

impl ManifestSigner {
    /// From 32 random bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(seed);
        let id = KeyId::of(&key.verifying_key());
        Self { key, id }
    }

    /// From the content of a key file: the seed in base64, surrounding white space ignored.
    pub fn from_base64(text: &str) -> Result<Self, SigningError> {
        decode(text)
            .map(|seed| Self::from_seed(&seed))
            .ok_or(SigningError::MalformedKey)
    }

    /// The key that devices must trust.
    pub fn trusted(&self) -> TrustedKey {
        TrustedKey(self.key.verifying_key())
    }

    /// The value of [`KEY_HEADER`].
    pub const fn key_id(&self) -> &KeyId {
        &self.id
    }

    /// The value of [`SIGNATURE_HEADER`] for this body.
    pub fn sign(&self, body: &[u8]) -> String {
        STANDARD.encode(self.key.sign(&tagged(body)).to_bytes())
    }
}

impl fmt::Debug for ManifestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ManifestSigner({})", self.id)
    }
}

/// A public key that a device trusts; base64 in configurations and manifests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TrustedKey(VerifyingKey);

impl TrustedKey {
    /// The key's id.
    pub fn id(&self) -> KeyId {
        KeyId::of(&self.0)
    }
}

impl fmt::Display for TrustedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0.as_bytes()))
    }
}

impl FromStr for TrustedKey {
    type Err = SigningError;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        decode(given)
            .and_then(|bytes| VerifyingKey::from_bytes(&bytes).ok())
            .map(Self)
            .ok_or(SigningError::MalformedKey)
    }
}

impl TryFrom<String> for TrustedKey {
    type Error = SigningError;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        given.parse()
    }
}

impl From<TrustedKey> for String {
    fn from(key: TrustedKey) -> Self {
        key.to_string()
    }
}

/// Checks that `body` was signed by one of `trusted`; the headers are as received.
pub fn verify<'k>(
    trusted: impl IntoIterator<Item = &'k TrustedKey>,
    key_id: &str,
    signature: &str,
    body: &[u8],
) -> Result<(), SigningError> {
    let key = trusted
        .into_iter()
        .find(|key| key.id().0 == key_id)
        .ok_or_else(|| SigningError::UnknownKey(key_id.chars().take(32).collect()))?;
    let signature = STANDARD
        .decode(signature)
        .ok()
        .and_then(|bytes| Signature::from_slice(&bytes).ok())
        .ok_or(SigningError::MalformedSignature)?;
    key.0
        .verify(&tagged(body), &signature)
        .map_err(|_| SigningError::Mismatch)
}

fn tagged(body: &[u8]) -> Vec<u8> {
    [DOMAIN, body].concat()
}

fn decode(text: &str) -> Option<[u8; 32]> {
    STANDARD.decode(text.trim()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> ManifestSigner {
        ManifestSigner::from_seed(&[7; 32])
    }

    #[test]
    fn what_was_signed_verifies_and_nothing_else_does() {
        let (signer, body) = (signer(), b"{}".as_slice());
        let (id, signature) = (signer.key_id().to_string(), signer.sign(body));
        let trusted = [signer.trusted()];
        assert_eq!(verify(&trusted, &id, &signature, body), Ok(()));
        assert_eq!(
            verify(&trusted, &id, &signature, b"{ }"),
            Err(SigningError::Mismatch)
        );
        assert_eq!(
            verify(&trusted, &id, "", body),
            Err(SigningError::MalformedSignature)
        );
        assert_eq!(
            verify([], &id, &signature, body),
            Err(SigningError::UnknownKey(id))
        );
    }

    #[test]
    fn a_signature_over_the_bare_body_is_refused() {
        let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
        let bare = STANDARD.encode(key.sign(b"{}").to_bytes());
        let signer = signer();
        assert_eq!(
            verify(
                &[signer.trusted()],
                &signer.key_id().to_string(),
                &bare,
                b"{}"
            ),
            Err(SigningError::Mismatch)
        );
    }

    #[test]
    fn the_secret_key_is_never_shown() {
        let shown = format!("{:?}", signer());
        assert!(!shown.contains(&STANDARD.encode([7; 32])), "{shown}");
    }

    #[test]
    fn keys_survive_the_round_trip() {
        let key = signer().trusted();
        assert_eq!(key.to_string().parse(), Ok(key));
        assert_eq!("x".parse::<TrustedKey>(), Err(SigningError::MalformedKey));
    }
}
