//! Tokens: what the provider mints, and what somebody makes of it.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_testbed::Idp;
use serde_json::{Value, json};

/// What a token of a device says.
pub(crate) fn of_device(idp: &Idp, device: &str) -> Value {
    let roles = json!({"device": {idp.organisation(): "fleet.example"}});
    let mut claims = json!({
        "iss": idp.issuer(),
        "sub": format!("user-of-{device}"),
        "aud": [idp.project()],
        "iat": now() - 1,
        "exp": now() + 600,
        "jti": format!("of-{device}"),
        "urn:zitadel:iam:user:metadata": {"device-id": URL_SAFE_NO_PAD.encode(device)},
    });
    claims[roles_claim(idp)] = roles;
    claims
}

/// Where the roles of the platform's project are.
pub(crate) fn roles_claim(idp: &Idp) -> String {
    format!("urn:zitadel:iam:org:project:{}:roles", idp.project())
}

/// A token that the provider signs.
pub(crate) fn signed(idp: &Idp, claims: &Value) -> String {
    idp.token_with(claims).expect("signed")
}

/// The same claims with one of them changed, or taken away by `null`.
pub(crate) fn with(mut claims: Value, name: &str, value: Value) -> Value {
    let map = claims.as_object_mut().expect("claims");
    if value.is_null() {
        map.remove(name);
    } else {
        map.insert(name.to_owned(), value);
    }
    claims
}

/// Header, claims and signature as they travel.
pub(crate) fn forged(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let signature = URL_SAFE_NO_PAD.encode(signature);
    format!("{}.{signature}", signing_input(header, claims))
}

/// What a signature is over.
pub(crate) fn signing_input(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("after 1970").as_secs()
}
