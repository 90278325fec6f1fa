//! The platform's own keys: made here, and read back with their public halves, whether they are kept
//! in files or in Secrets.
//!
//! [`catalogue`] says which keys there are and where a cluster keeps each, [`rbac`] what whoever makes
//! them may do there; [`identity`] the same of what is told about the identity provider.
//!
//! It keeps nothing and sends nothing. No `Debug` and no error shows a secret.

pub mod catalogue;
pub mod identity;
pub mod rbac;

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_contracts::signing::ManifestSigner;
use nkeys::{KeyPair, KeyPairType, XKey};

/// Why there is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The system gives no random numbers, or a key cannot be encoded.
    #[error("cannot make a key")]
    Make,
    /// A text that should be a key is none, or one of another kind.
    #[error("not a {0}")]
    Content(KeyKind),
}

/// What a key is for, and with it how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyKind {
    /// Signs manifests: 32 bytes in base64; the public half is what devices trust.
    Manifest,
    /// A user of the bus: an nkey seed, `SU…`; the public half is `U…`.
    User,
    /// Signs users for the bus: an nkey seed, `SA…`; the public half is `A…`.
    Account,
    /// Opens what servers of the bus seal: an nkey seed, `SX…`; the public half is `X…`.
    Curve,
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manifest => "signing key",
            Self::User => "nkey seed of a user",
            Self::Account => "nkey seed of an account",
            Self::Curve => "seed of a curve nkey",
        })
    }
}

/// A secret key and its public half.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey {
    kind: KeyKind,
    text: String,
    public: String,
}

impl SecretKey {
    /// A new one.
    ///
    /// # Errors
    /// [`KeyError::Make`].
    pub fn make(kind: KeyKind) -> Result<Self, KeyError> {
        let seed = |pair: KeyPair| pair.seed().map_err(|_| KeyError::Make);
        let text = match kind {
            KeyKind::Manifest => random_base64::<32>()?,
            KeyKind::User => seed(KeyPair::new_user())?,
            KeyKind::Account => seed(KeyPair::new_account())?,
            KeyKind::Curve => XKey::new().seed().map_err(|_| KeyError::Make)?,
        };
        Self::parse(kind, &text)
    }

    /// One that was kept; white space around it does not matter.
    ///
    /// # Errors
    /// [`KeyError::Content`].
    pub fn parse(kind: KeyKind, text: &str) -> Result<Self, KeyError> {
        let text = text.trim();
        let pair = |wanted: KeyPairType| {
            let pair = KeyPair::from_seed(text).ok()?;
            (pair.key_pair_type() == wanted).then(|| pair.public_key())
        };
        let public = match kind {
            KeyKind::Manifest => {
                let signer = ManifestSigner::from_base64(text).ok();
                signer.map(|signer| signer.trusted().to_string())
            }
            KeyKind::User => pair(KeyPairType::User),
            KeyKind::Account => pair(KeyPairType::Account),
            KeyKind::Curve => XKey::from_seed(text).ok().map(|key| key.public_key()),
        };
        Ok(Self {
            kind,
            text: text.to_owned(),
            public: public.ok_or(KeyError::Content(kind))?,
        })
    }

    /// What it is for.
    pub const fn kind(&self) -> KeyKind {
        self.kind
    }

    /// The secret, to be kept and shown to nobody.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The public half.
    pub fn public(&self) -> &str {
        &self.public
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey")
            .field("kind", &self.kind)
            .field("public", &self.public)
            .finish_non_exhaustive()
    }
}

/// A new key for OpenBao's static seal: 32 bytes in base64, and no line end, which OpenBao would
/// take for a part of it.
///
/// # Errors
/// [`KeyError::Make`].
pub fn make_seal_key() -> Result<String, KeyError> {
    random_base64::<32>()
}

/// A new key for Zitadel, which wants 32 characters.
///
/// # Errors
/// [`KeyError::Make`].
pub fn make_master_key() -> Result<String, KeyError> {
    // Each 3 bytes become 4 characters.
    random_base64::<24>()
}

fn random_base64<const BYTES: usize>() -> Result<String, KeyError> {
    let mut bytes = [0; BYTES];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Make)?;
    Ok(STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    const ALL: [KeyKind; 4] = [
        KeyKind::Manifest,
        KeyKind::User,
        KeyKind::Account,
        KeyKind::Curve,
    ];

    #[test]
    fn what_was_made_is_read_back_and_taken_for_no_other_kind() {
        for kind in ALL {
            let key = SecretKey::make(kind).expect("made");
            let text = format!("{}\n", key.expose());
            assert_eq!(SecretKey::parse(kind, &text), Ok(key.clone()), "{kind}");
            for other in ALL.into_iter().filter(|other| *other != kind) {
                let taken = SecretKey::parse(other, &text);
                assert_eq!(taken, Err(KeyError::Content(other)), "{kind} for {other}");
            }
        }
    }

    #[test]
    fn neither_debug_nor_an_error_shows_the_secret() {
        for kind in ALL {
            let key = SecretKey::make(kind).expect("made");
            assert!(!format!("{key:?}").contains(key.expose()), "{kind}");
            let broken = format!("x{}", key.expose());
            let error = SecretKey::parse(kind, &broken).expect_err("refused");
            assert!(!format!("{error} {error:?}").contains(key.expose()));
        }
    }

    #[test]
    fn a_seal_key_is_new_each_time_and_32_bytes() {
        let keys = [
            make_seal_key().expect("made"),
            make_seal_key().expect("made"),
        ];
        assert_ne!(keys[0], keys[1]);
        for key in keys {
            assert_eq!(STANDARD.decode(key).expect("base64").len(), 32);
        }
    }
}
