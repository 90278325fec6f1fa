//! Tokens that were verified, until they expire.
//!
//! Only who a token speaks for is kept, not what the device may do: a policy that changes counts
//! from the next login on. Tokens themselves are not kept either, only their hashes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use fleet_auth_core::Identity;
use sha2::{Digest as _, Sha256};

use crate::jwks::Version;

/// The most tokens that are kept; beyond that those that expired go, else all.
const KEPT: usize = 100_000;

/// The hash of a token.
type Hash = [u8; 32];

#[derive(Debug, Default)]
struct Kept {
    /// Of the keys that verified them.
    version: Version,
    identities: HashMap<Hash, Identity>,
}

/// Verified tokens.
#[derive(Debug, Default)]
pub struct Verified {
    kept: Mutex<Kept>,
}

impl Verified {
    /// Who a token speaks for, if it was verified with these keys before and has not expired.
    pub fn get(&self, token: &str, version: Version, now: u64) -> Option<Identity> {
        let kept = self.lock();
        let identity = kept.identities.get(&hash(token))?;
        (kept.version == version && identity.expires > now).then(|| identity.clone())
    }

    /// Keeps who a token speaks for. With other keys than before all earlier ones are forgotten: a
    /// key that the identity provider took back verifies nothing more.
    pub fn keep(&self, token: &str, version: Version, identity: &Identity, now: u64) {
        let mut kept = self.lock();
        if kept.version != version {
            kept.version = version;
            kept.identities.clear();
        }
        if kept.identities.len() >= KEPT {
            kept.identities.retain(|_, known| known.expires > now);
            if kept.identities.len() >= KEPT {
                kept.identities.clear();
            }
        }
        kept.identities.insert(hash(token), identity.clone());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock().identities.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(token: &str) -> Hash {
    Sha256::digest(token).into()
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use super::*;

    fn identity(expires: u64) -> Identity {
        Identity {
            device: "dev-1".parse().expect("valid"),
            subject: "u".to_owned(),
            key_id: "k".to_owned(),
            token_id: None,
            expires,
        }
    }

    #[test]
    fn a_token_is_known_until_it_expires_or_the_keys_change() {
        let (old, new) = (Version::of(b"old"), Version::of(b"new"));
        let verified = Verified::default();
        verified.keep("t", old, &identity(100), 0);
        assert_eq!(verified.get("t", old, 99), Some(identity(100)));
        assert_eq!(verified.get("t", old, 100), None);
        assert_eq!(verified.get("t", new, 99), None);
        assert_eq!(verified.get("other", old, 99), None);
        verified.keep("t2", new, &identity(100), 0);
        assert_eq!(verified.len(), 1);
    }
}
