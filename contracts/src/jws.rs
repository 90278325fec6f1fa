//! JSON Web Signatures in compact form (RFC 7515), without the signing: who signs holds a key, who
//! verifies holds another, and neither is in this crate.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// What a signature is made over: header and claims, each in base64url, joined by a dot.
pub fn signing_input(header: &impl Serialize, claims: &impl Serialize) -> String {
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let (header, claims) = (
        crate::payload::encode(header),
        crate::payload::encode(claims),
    );
    format!("{}.{}", part(header), part(claims))
}

/// The whole: what was signed, and its signature.
#[must_use]
pub fn compact(signing_input: &str, signature: &[u8]) -> String {
    format!("{signing_input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A received one, taken apart. Nothing in it is verified.
#[derive(Debug)]
pub struct Unverified<'t, Header, Claims> {
    /// The header.
    pub header: Header,
    /// The claims.
    pub claims: Claims,
    /// What the signature must be over.
    pub signed: &'t str,
    /// The signature.
    pub signature: Vec<u8>,
}

/// Takes a compact one apart; `None` if it is none, or is not of these types.
#[must_use]
pub fn take_apart<Header: DeserializeOwned, Claims: DeserializeOwned>(
    text: &str,
) -> Option<Unverified<'_, Header, Claims>> {
    fn json<T: DeserializeOwned>(part: &str) -> Option<T> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
    }
    let (signed, signature) = text.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    Some(Unverified {
        header: json(header)?,
        claims: json(claims)?,
        signed,
        signature: URL_SAFE_NO_PAD.decode(signature).ok()?,
    })
}
