//! From a text to an identity: the only way to get an [`Identity`] is a verified signature.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_contracts::DeviceId;
use serde::Deserialize;
use serde_json::Value;

use crate::jwk::{Algorithm, KeySet};
use crate::reason::{About, AuthReason, Refusal, shown};
use crate::rules::{Registered, TokenRules};

/// The longest token, in bytes. With the rest of a CONNECT it fits into the control line that the
/// servers are configured for.
pub const MAX_TOKEN: usize = 8 * 1024;

/// Who a verified token speaks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The device.
    pub device: DeviceId,
    /// The identity provider's user.
    pub subject: String,
    /// The key that signed.
    pub key_id: String,
    /// The token's own id, if it has one.
    pub token_id: Option<String>,
    /// When the token ends, by its expiry or its age, in seconds since 1970; the leeway is in it.
    pub expires: u64,
}

impl Identity {
    /// The same for the audit log.
    pub fn about(&self) -> About {
        About {
            key_id: Some(self.key_id.clone()),
            subject: Some(self.subject.clone()),
            token_id: self.token_id.clone(),
            device: Some(self.device.to_string()),
        }
    }
}

/// The header (RFC 7515). `crit` demands extensions to be understood; we understand none.
#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    crit: Option<serde::de::IgnoredAny>,
}

/// Verifies a token and reads who it speaks for.
///
/// `now` is in seconds since 1970.
pub fn identify(
    token: &str,
    keys: &KeySet,
    rules: &TokenRules,
    now: u64,
) -> Result<Identity, Refusal> {
    let mut about = About::default();
    identify_about(token, keys, rules, now, &mut about).map_err(|refusal| refusal.about(&about))
}

fn identify_about(
    token: &str,
    keys: &KeySet,
    rules: &TokenRules,
    now: u64,
    about: &mut About,
) -> Result<Identity, Refusal> {
    let (claims, key_id) = verified_claims(token, keys, about)?;
    // The signature holds: from here on the claims are the identity provider's.
    let value: Value =
        serde_json::from_slice(&claims).map_err(|_| malformed("the claims are no JSON"))?;
    let registered = Registered::deserialize(&value)
        .map_err(|_| malformed("a registered claim is of the wrong type"))?;
    about.subject = registered.sub.as_deref().map(shown);
    about.token_id = registered.jti.as_deref().map(shown);
    let expires = rules.check(&registered, now)?;
    let Some(subject) = registered.sub.filter(|sub| !sub.is_empty()) else {
        return Err(malformed("the claim sub is missing"));
    };
    rules.check_role(&value)?;
    let device = rules.device(&value)?;
    Ok(Identity {
        device,
        subject,
        key_id,
        token_id: registered.jti,
        expires,
    })
}

/// The claims as they were signed, and the key that did.
fn verified_claims(
    token: &str,
    keys: &KeySet,
    about: &mut About,
) -> Result<(Vec<u8>, String), Refusal> {
    use AuthReason as R;
    let [header, claims, signature] = parts(token)?;
    let raw_header = decode(header, "header")?;
    let header: Header<'_> =
        serde_json::from_slice(&raw_header).map_err(|_| malformed("the header is not a JWT's"))?;
    about.key_id = header.kid.as_deref().map(shown);
    if header.crit.is_some() {
        return Err(malformed("it demands extensions (crit)"));
    }
    let Some(algorithm) = Algorithm::named(&header.alg) else {
        let detail = format!("the algorithm {:?} is not taken", shown(&header.alg));
        return Err(Refusal::new(R::AlgorithmRefused, detail));
    };
    let Some(key_id) = header.kid else {
        return Err(Refusal::new(R::KeyUnknown, "the token names no key"));
    };
    let Some(key) = keys.get(&key_id) else {
        let id = shown(&key_id);
        let detail = format!("the identity provider has no key {id:?} for signatures");
        return Err(Refusal::new(R::KeyUnknown, detail));
    };
    if key.algorithm != algorithm {
        let pinned = key.algorithm;
        let detail = format!("the token says {algorithm:?}, its key is for {pinned:?}");
        return Err(Refusal::new(R::AlgorithmMismatch, detail));
    }
    let signature = decode(signature, "signature")?;
    let signed = token.rsplit_once('.').map_or("", |(signed, _)| signed);
    if !key.verifies(signed.as_bytes(), &signature) {
        let detail = "the signature does not fit";
        return Err(Refusal::new(R::SignatureInvalid, detail));
    }
    Ok((decode(claims, "payload")?, key_id.into_owned()))
}

/// Header, claims and signature, still encoded.
fn parts(token: &str) -> Result<[&str; 3], Refusal> {
    use AuthReason as R;
    if token.is_empty() {
        return Err(Refusal::new(R::TokenMissing, "no token was presented"));
    }
    if token.len() > MAX_TOKEN {
        let detail = format!("{} bytes; {MAX_TOKEN} are allowed", token.len());
        return Err(Refusal::new(R::TokenOversize, detail));
    }
    let parts: Vec<&str> = token.split('.').take(4).collect();
    <[&str; 3]>::try_from(parts).map_err(|_| {
        let detail = "it has not the three parts of a JWT; \
            let the identity provider hand out JWT access tokens to this user";
        Refusal::new(R::TokenOpaque, detail)
    })
}

fn decode(part: &str, what: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD
        .decode(part)
        .map_err(|_| malformed(&format!("the {what} is not base64url")))
}

fn malformed(detail: &str) -> Refusal {
    Refusal::new(AuthReason::TokenMalformed, detail)
}
