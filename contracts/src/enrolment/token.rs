//! The token that lets a device ask.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What tokens begin with, so that people and scanners know one when they see it.
const PREFIX: &str = "fleet-enrol-";
/// 128 bits in base64url.
const SHORTEST: usize = 22;
const LONGEST: usize = 128;

/// Hashed before the token, so that the hash is good for nothing else.
const DOMAIN: &[u8] = b"fleet-enrolment-token-v1\0";

/// Not an enrolment token. Says nothing of what was given, which may be another secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an enrolment token: it must be \"{PREFIX}\" and 22 to 128 of A-Z, a-z, 0-9, '-' and '_'"
)]
pub struct InvalidToken;

/// A single-use secret that lets one device ask for enrolment. Its `Debug` never shows it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EnrolmentToken(Box<str>);

impl EnrolmentToken {
    /// From random bytes.
    #[must_use]
    pub fn from_random(bytes: &[u8; 32]) -> Self {
        let secret = URL_SAFE_NO_PAD.encode(bytes);
        Self(format!("{PREFIX}{secret}").into())
    }

    /// The secret itself: to be sent and shown once, never stored.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored in its place: SHA-256 in hexadecimal. Unsalted, because 128 random bits
    /// cannot be guessed, so a token is found by its hash.
    pub fn hash(&self) -> String {
        let digest = Sha256::new()
            .chain_update(DOMAIN)
            .chain_update(self.0.as_bytes())
            .finalize();
        HEXLOWER.encode(&digest)
    }
}

impl fmt::Debug for EnrolmentToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EnrolmentToken(…)")
    }
}

impl FromStr for EnrolmentToken {
    type Err = InvalidToken;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let secret = given.strip_prefix(PREFIX).ok_or(InvalidToken)?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if (SHORTEST..=LONGEST).contains(&secret.len()) && secret.bytes().all(plain) {
            Ok(Self(given.into()))
        } else {
            Err(InvalidToken)
        }
    }
}

impl TryFrom<String> for EnrolmentToken {
    type Error = InvalidToken;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        given.parse()
    }
}

impl From<EnrolmentToken> for String {
    fn from(token: EnrolmentToken) -> Self {
        token.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_parses_hashes_and_is_never_shown() {
        let token = EnrolmentToken::from_random(&[7; 32]);
        assert_eq!(token.expose().parse(), Ok(token.clone()));
        assert_eq!(token.hash().len(), 64);
        assert_ne!(token.hash(), EnrolmentToken::from_random(&[8; 32]).hash());
        assert!(!format!("{token:?}").contains(token.expose()));
    }

    #[test]
    fn what_is_short_or_something_else_is_refused() {
        for given in [
            "",
            PREFIX,
            "fleet-enrol-short",
            "hunter2",
            &format!("{PREFIX}{}", " ".repeat(30)),
        ] {
            assert_eq!(
                given.parse::<EnrolmentToken>(),
                Err(InvalidToken),
                "{given}"
            );
        }
    }
}
