//! An issuer with one Ed25519 key, and what it says of a device.
#![allow(dead_code, reason = "each test program uses a part of it")]

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_auth_core::rules::{DeviceClaim, Encoding, Organisation, Pointer, RoleRule};
use fleet_auth_core::{KeySet, TokenRules};
use serde_json::{Value, json};

pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const ISSUER: &str = "https://id.example.com";
pub(crate) const ROLES: &str = "urn:zitadel:iam:org:project:311:roles";

pub(crate) struct Issuer {
    pair: Ed25519KeyPair,
}

impl Default for Issuer {
    fn default() -> Self {
        Self {
            pair: Ed25519KeyPair::generate().expect("a key"),
        }
    }
}

impl Issuer {
    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.pair.public_key().as_ref());
        json!({"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": "k1", "x": x})
    }

    pub(crate) fn keys(&self) -> KeySet {
        key_set(&[self.jwk()]).expect("a usable key")
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": "EdDSA", "typ": "JWT", "kid": "k1"}), claims)
    }

    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.pair.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref()))
    }
}

pub(crate) fn key_set(keys: &[Value]) -> Option<KeySet> {
    KeySet::parse(json!({"keys": keys}).to_string().as_bytes()).ok()
}

pub(crate) fn pointer(text: &str) -> Pointer {
    text.parse().expect("a pointer")
}

/// For Zitadel.
pub(crate) fn rules() -> TokenRules {
    TokenRules {
        issuer: ISSUER.to_owned(),
        audience: "311".to_owned(),
        role: RoleRule {
            claim: Pointer::to_claim(ROLES),
            role: "device".to_owned(),
            organisation: Organisation::InRole("42".to_owned()),
        },
        device: DeviceClaim {
            claim: pointer("/urn:zitadel:iam:user:metadata/device-id"),
            encoding: Encoding::Base64Url,
        },
        leeway: 5,
        max_age: 3600,
    }
}

/// As Zitadel says it.
pub(crate) fn claims(device: &str) -> Value {
    json!({
        "iss": ISSUER, "sub": "u-1", "aud": ["311"], "client_id": "u-1", "jti": "t-1",
        "iat": NOW, "nbf": NOW, "exp": NOW + 600,
        (ROLES): {"device": {"42": "fleet.example.com"}},
        "urn:zitadel:iam:user:metadata": {"device-id": URL_SAFE_NO_PAD.encode(device)},
    })
}

/// Changes one claim; with `Value::Null` it goes.
pub(crate) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    let object = claims.as_object_mut().expect("an object");
    match value {
        Value::Null => drop(object.remove(name)),
        value => drop(object.insert(name.to_owned(), value)),
    }
    claims
}
