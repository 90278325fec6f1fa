//! JWTs as NATS has them: signed with nkeys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde::{Deserialize, Serialize};

const TYPE: &str = "JWT";
const ALGORITHM: &str = "ed25519-nkey";

#[derive(Serialize, Deserialize)]
struct Header {
    typ: String,
    alg: String,
}

/// Signs claims.
pub(super) fn sign(claims: &impl Serialize, key: &KeyPair) -> Option<String> {
    let header = Header {
        typ: TYPE.to_owned(),
        alg: ALGORITHM.to_owned(),
    };
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let header = part(serde_json::to_vec(&header).ok()?);
    let claims = part(serde_json::to_vec(claims).ok()?);
    let signed = format!("{header}.{claims}");
    let signature = key.sign(signed.as_bytes()).ok()?;
    Some(format!("{signed}.{}", part(signature)))
}

#[derive(Deserialize)]
struct Issuer {
    iss: String,
}

/// The claims of a JWT whose issuer signed it and is a key of this kind (`N` of a server). Whether
/// the issuer is to be believed is for the caller to judge.
pub(super) fn verify(text: &str, kind: char) -> Result<Vec<u8>, &'static str> {
    let (signed, signature) = text.rsplit_once('.').ok_or("not a JWT")?;
    let (header, claims) = signed.split_once('.').ok_or("not a JWT")?;
    let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "not base64url");
    let header: Header =
        serde_json::from_slice(&decode(header)?).map_err(|_| "the header is not a JWT's")?;
    if header.typ != TYPE || header.alg != ALGORITHM {
        return Err("not a JWT of NATS");
    }
    let claims = decode(claims)?;
    let issuer: Issuer = serde_json::from_slice(&claims).map_err(|_| "it names no issuer")?;
    let key = public_key(&issuer.iss, kind).ok_or("the issuer is not a server")?;
    key.verify(signed.as_bytes(), &decode(signature)?)
        .map_err(|_| "the signature does not fit")?;
    Ok(claims)
}

/// A public nkey of this kind.
pub(super) fn public_key(text: &str, kind: char) -> Option<KeyPair> {
    // 32 bytes, prefix and checksum in base32; the decoder is not to see anything else.
    let is_key = text.len() == 56 && text.starts_with(kind) && text.is_ascii();
    is_key
        .then(|| KeyPair::from_public_key(text).ok())
        .flatten()
}
