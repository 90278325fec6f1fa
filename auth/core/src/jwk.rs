//! The identity provider's public keys (RFC 7517), each pinned to one algorithm.

use std::collections::BTreeMap;
use std::fmt;

use aws_lc_rs::rsa::PublicKeyComponents;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;

/// The most keys of a set; the rest is ignored.
const MAX_KEYS: usize = 64;

/// A signature algorithm (RFC 7518, RFC 8037). Asymmetric ones only: with a shared secret the public
/// key would be the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    Rs256,
    /// With SHA-384.
    Rs384,
    /// With SHA-512.
    Rs512,
    /// RSA-PSS with SHA-256.
    Ps256,
    /// With SHA-384.
    Ps384,
    /// With SHA-512.
    Ps512,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// By its registered name; there is none for `none` and for `HS…`.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    const fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }
}

/// One key, usable with one algorithm.
pub(crate) struct Key {
    pub(crate) algorithm: Algorithm,
    public: ParsedPublicKey,
}

impl Key {
    pub(crate) fn verifies(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.public.verify_sig(signed, signature).is_ok()
    }
}

/// The keys by their ids.
#[derive(Default)]
pub struct KeySet {
    keys: BTreeMap<String, Key>,
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

/// A document that is no key set, or holds no key we can use.
#[derive(Debug, thiserror::Error)]
pub enum KeySetError {
    /// Not a set.
    #[error("not a JSON Web Key Set")]
    Malformed(#[source] serde_json::Error),
    /// Without a key that could verify anything.
    #[error("the key set holds no signature key with an id")]
    Empty,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<serde_json::Value>,
}

/// The members that matter; a key may have more.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: String,
    #[serde(rename = "use")]
    used_for: Option<String>,
    alg: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

impl KeySet {
    /// Reads a set. Keys that are not for signatures, are symmetric, or are of a kind we do not know
    /// are left out; so are all keys that share an id, because a token could mean either.
    pub fn parse(document: &[u8]) -> Result<Self, KeySetError> {
        let document: Document =
            serde_json::from_slice(document).map_err(KeySetError::Malformed)?;
        let mut found: BTreeMap<String, Option<Key>> = BTreeMap::new();
        for value in document.keys.into_iter().take(MAX_KEYS) {
            let Ok(jwk) = serde_json::from_value::<Jwk>(value) else {
                continue;
            };
            if let Some(key) = usable(&jwk) {
                found
                    .entry(jwk.kid)
                    .and_modify(|double| *double = None)
                    .or_insert(Some(key));
            }
        }
        let keys: BTreeMap<_, _> = found
            .into_iter()
            .filter_map(|(id, key)| Some((id, key?)))
            .collect();
        if keys.is_empty() {
            return Err(KeySetError::Empty);
        }
        Ok(Self { keys })
    }

    /// The ids of the keys that can be used.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.keys().map(String::as_str)
    }

    pub(crate) fn get(&self, id: &str) -> Option<&Key> {
        self.keys.get(id)
    }
}

fn usable(jwk: &Jwk) -> Option<Key> {
    if jwk.used_for.as_deref().is_some_and(|used| used != "sig") {
        return None;
    }
    let curve = jwk.crv.as_deref();
    let natural = match (jwk.kty.as_str(), curve) {
        ("RSA", _) => Algorithm::Rs256,
        ("EC", Some("P-256")) => Algorithm::Es256,
        ("EC", Some("P-384")) => Algorithm::Es384,
        ("OKP", Some("Ed25519")) => Algorithm::EdDsa,
        _ => return None,
    };
    let algorithm = match jwk.alg.as_deref() {
        Some(name) => Algorithm::named(name)?,
        None => natural,
    };
    // An RSA key may be for another RSA algorithm than the usual one; all others have just one.
    if algorithm != natural && (natural.rsa().is_none() || algorithm.rsa().is_none()) {
        return None;
    }
    let public = match algorithm.rsa() {
        Some(parameters) => {
            let (n, e) = (bytes(jwk.n.as_ref())?, bytes(jwk.e.as_ref())?);
            rsa_key(parameters, &n, &e)?
        }
        None => curve_key(algorithm, jwk)?,
    };
    Some(Key { algorithm, public })
}

fn rsa_key(parameters: &'static RsaParameters, n: &[u8], e: &[u8]) -> Option<ParsedPublicKey> {
    // Some writers put the sign byte of ASN.1 in front, which RFC 7518 forbids.
    let trimmed =
        |number: &[u8]| -> Vec<u8> { number.iter().copied().skip_while(|b| *b == 0).collect() };
    let (n, e) = (trimmed(n), trimmed(e));
    // Smaller ones verify nothing, larger ones cost more than a login is worth.
    if !(256..=1024).contains(&n.len()) || e.len() > 8 {
        return None;
    }
    PublicKeyComponents { n, e }
        .to_parsed_public_key(parameters)
        .ok()
}

fn curve_key(algorithm: Algorithm, jwk: &Jwk) -> Option<ParsedPublicKey> {
    let x = bytes(jwk.x.as_ref())?;
    let point = |y: Vec<u8>| [&[4], &x[..], &y].concat();
    match algorithm {
        Algorithm::EdDsa => ParsedPublicKey::new(&ED25519, x).ok(),
        Algorithm::Es256 => {
            ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(bytes(jwk.y.as_ref())?)).ok()
        }
        Algorithm::Es384 => {
            ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point(bytes(jwk.y.as_ref())?)).ok()
        }
        _ => None,
    }
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?.trim_end_matches('=')).ok()
}
