//! The public keys of machines.
//!
//! Source: zitadel `internal/command/user_machine_key.go`, `crypto.BytesToPublicKey`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::{Value, json};

use super::lists::{ByUser, credential, paged};
use super::{ApiError, Caller, named, parse, time, users};
use crate::idp::core::signing;
use crate::idp::core::store::{Key, Store, UserKind};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Add {
    #[serde(default)]
    user_id: String,
    expiration_date: Option<Timestamp>,
    #[serde(default)]
    public_key: String,
}

/// As the field's default there: the end of the year 9999.
const NEVER: i64 = 253_402_300_799;

pub(super) fn add(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Add = parse(request)?;
    let expires = request.expiration_date;
    if expires.is_some_and(|expires| expires <= now) {
        return Err(ApiError::invalid("Errors.AuthNKey.ExpireBeforeNow"));
    }
    let expires = expires
        .or(Timestamp::from_second(NEVER).ok())
        .unwrap_or(Timestamp::MAX);
    let user = users::user(store, caller, &request.user_id)?;
    if !matches!(user.kind, UserKind::Machine { .. }) {
        return Err(ApiError::precondition("Errors.User.NotMachine"));
    }
    let user = user.id.clone();
    let (public, private) = key_of(&request.public_key)?;
    let id = store.new_id();
    let mut answer = json!({"keyId": id, "creationDate": time(now)});
    if let Some(private) = private {
        let content = json!({
            "type": "serviceaccount", "keyId": id, "key": private,
            "expirationDate": time(expires), "userId": user,
        });
        answer["keyContent"] = STANDARD.encode(content.to_string()).into();
    }
    let key = Key {
        user,
        public,
        created: now,
        expires,
    };
    store.keys.insert(id, key);
    Ok(answer)
}

/// The public key; and the private one, if the caller left it to us to make the pair.
fn key_of(encoded: &str) -> Result<(DecodingKey, Option<String>), ApiError> {
    let invalid = ApiError::invalid("Errors.User.Machine.Key.Invalid");
    let (pem, private) = if encoded.is_empty() {
        let pair = signing::private_key();
        let (private, public) = pair.map_err(|_| ApiError::precondition("Errors.Internal"))?;
        (public, Some(private))
    } else {
        let bytes = STANDARD.decode(encoded);
        let bytes = bytes.map_err(|_| ApiError::invalid("proto: invalid value for bytes field"))?;
        (String::from_utf8(bytes).map_err(|_| invalid)?, None)
    };
    // SPKI and RSA: neither `RSA PUBLIC KEY` nor a key on a curve passes there.
    if !pem.starts_with("-----BEGIN PUBLIC KEY-----") {
        return Err(invalid);
    }
    let public = DecodingKey::from_rsa_pem(pem.as_bytes()).map_err(|_| invalid)?;
    Ok((public, private))
}

pub(super) fn list(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: ByUser = parse(request)?;
    let mut keys = Vec::new();
    for (id, key) in &store.keys {
        if let Some(owner) = request.owner(store, caller, &key.user) {
            keys.push(credential(id, owner, key.created, key.expires));
        }
    }
    Ok(paged("result", keys))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remove {
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    key_id: String,
}

/// A key that is gone already is as good as removed.
pub(super) fn remove(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Remove = parse(request)?;
    let user = users::user(store, caller, &request.user_id)?.id.clone();
    let id = named(&request.key_id)?;
    if store.keys.get(id).is_some_and(|key| key.user == user) {
        store.keys.remove(id);
    }
    Ok(json!({"deletionDate": time(now)}))
}
