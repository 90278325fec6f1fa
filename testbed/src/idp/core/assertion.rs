//! Judging assertions (RFC 7523), in the order in which Zitadel's library does.
//!
//! Source of the rules: zitadel/oidc `pkg/op/verifier_jwt_profile.go` and `pkg/oidc/verifier.go`,
//! with the limits that zitadel `internal/api/oidc/token_jwt_profile.go` gives them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;

use super::store::{Store, User};

/// How long ago an assertion may say it was issued.
const MAX_AGE: i64 = 3600;
/// By how much clocks may differ: an assertion from further in the future is refused. The same
/// second is taken off at the end, so one that ends within it has ended.
const SKEW: i64 = 1;

/// Why an assertion proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::idp) enum AssertionError {
    #[error("parsing of request failed")]
    Malformed,
    #[error("audience is not valid")]
    Audience,
    #[error("token has expired")]
    Expired,
    #[error("issuedAt of token is missing")]
    NoIssuedAt,
    #[error("issuedAt of token is in the future")]
    IssuedInFuture,
    #[error("issuedAt of token is to old")]
    TooOld,
    #[error("delegation not allowed, issuer and sub must be identical")]
    Delegation,
    #[error("signature algorithm not supported")]
    Algorithm,
    #[error("invalid signature (error fetching keys: Errors.AuthNKey.NotFound)")]
    UnknownKey,
    #[error("invalid signature")]
    Signature,
    #[error("jti is missing")]
    NoTokenId,
    #[error("jti was used already")]
    Replayed,
}

/// What an assertion says.
#[derive(Debug, Deserialize)]
pub(in crate::idp) struct Assertion {
    #[serde(default)]
    iss: String,
    #[serde(default)]
    sub: String,
    #[serde(default)]
    aud: OneOrMany,
    #[serde(default)]
    pub(in crate::idp) exp: i64,
    iat: Option<i64>,
    pub(in crate::idp) jti: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl Default for OneOrMany {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl OneOrMany {
    fn contains(&self, wanted: &str) -> bool {
        match self {
            Self::One(one) => one == wanted,
            Self::Many(many) => many.iter().any(|one| one == wanted),
        }
    }
}

/// Whose assertion this is. Nothing is remembered: until it ends it may be used again.
pub(in crate::idp) fn judge<'a>(
    token: &str,
    audiences: &[&str],
    store: &'a Store,
    now: Timestamp,
) -> Result<(&'a User, Assertion), AssertionError> {
    let claims = parse(token)?;
    if !audiences
        .iter()
        .any(|audience| claims.aud.contains(audience))
    {
        return Err(AssertionError::Audience);
    }
    check_times(&claims, now)?;
    if claims.iss != claims.sub {
        return Err(AssertionError::Delegation);
    }
    check_signature(token, &claims, store, now)?;
    let user = store.users.get(&claims.iss);
    Ok((user.ok_or(AssertionError::UnknownKey)?, claims))
}

fn parse(token: &str) -> Result<Assertion, AssertionError> {
    let parts: Vec<&str> = token.split('.').collect();
    let [_, payload, _] = parts[..] else {
        return Err(AssertionError::Malformed);
    };
    let payload = URL_SAFE_NO_PAD.decode(payload);
    let payload = payload.map_err(|_| AssertionError::Malformed)?;
    serde_json::from_slice(&payload).map_err(|_| AssertionError::Malformed)
}

fn check_times(claims: &Assertion, now: Timestamp) -> Result<(), AssertionError> {
    // To the fraction of a second, as there; only the comparison with `iat` rounds.
    if now.as_millisecond() + SKEW * 1000 >= claims.exp.saturating_mul(1000) {
        return Err(AssertionError::Expired);
    }
    let issued = claims.iat.ok_or(AssertionError::NoIssuedAt)?;
    let rounded = (now.as_millisecond() + 500).div_euclid(1000);
    if issued > rounded + SKEW {
        return Err(AssertionError::IssuedInFuture);
    }
    if issued < rounded - MAX_AGE {
        return Err(AssertionError::TooOld);
    }
    Ok(())
}

/// The key is looked up by the header's `kid` *and* the issuer: the id of another user's key is as
/// unknown as any.
fn check_signature(
    token: &str,
    claims: &Assertion,
    store: &Store,
    now: Timestamp,
) -> Result<(), AssertionError> {
    // `none` is no algorithm that the library could name.
    let header = jsonwebtoken::decode_header(token).map_err(|_| AssertionError::Algorithm)?;
    if header.alg != Algorithm::RS256 {
        return Err(AssertionError::Algorithm);
    }
    let kid = header.kid.ok_or(AssertionError::UnknownKey)?;
    let key = store.live_key(&kid, &claims.iss, now);
    let key = key.ok_or(AssertionError::UnknownKey)?;
    let mut signature_only = Validation::new(Algorithm::RS256);
    signature_only.validate_exp = false;
    signature_only.validate_aud = false;
    signature_only.required_spec_claims.clear();
    jsonwebtoken::decode::<serde_json::Value>(token, &key.public, &signature_only)
        .map(drop)
        .map_err(|_| AssertionError::Signature)
}
