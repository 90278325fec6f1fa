//! Personal access tokens of machines.
//!
//! Source: zitadel `internal/command/user_personal_access_token.go`, `proto/zitadel/user/v2/pat.proto`.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::lists::{ByUser, credential, paged};
use super::{ApiError, Caller, named, parse, time, users};
use crate::idp::core::store::{PersonalToken, Store, UserKind};
use crate::secret;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Add {
    #[serde(default)]
    user_id: String,
    expiration_date: Option<Timestamp>,
}

/// The token is in this answer and in no other.
pub(super) fn add(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Add = parse(request)?;
    let required = ApiError::invalid("expiration_date: value is required");
    let expires = request.expiration_date.ok_or(required)?;
    if expires <= now {
        return Err(ApiError::invalid("Errors.User.PAT.ExpireBeforeNow"));
    }
    let user = users::user(store, caller, &request.user_id)?;
    if !matches!(user.kind, UserKind::Machine { .. }) {
        return Err(ApiError::precondition("Errors.User.WrongType"));
    }
    let user = user.id.clone();
    let (id, token) = (store.new_id(), secret::token());
    let answer = json!({"creationDate": time(now), "tokenId": id, "token": token});
    let added = PersonalToken {
        id,
        user,
        created: now,
        expires,
    };
    store.personal_tokens.insert(token, added);
    Ok(answer)
}

/// All but the tokens themselves.
pub(super) fn list(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: ByUser = parse(request)?;
    let mut tokens = Vec::new();
    for token in store.personal_tokens.values() {
        if let Some(owner) = request.owner(store, caller, &token.user) {
            tokens.push(credential(&token.id, owner, token.created, token.expires));
        }
    }
    Ok(paged("result", tokens))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Remove {
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    token_id: String,
}

/// One that is gone already is as good as removed.
pub(super) fn remove(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Remove = parse(request)?;
    let user = users::user(store, caller, &request.user_id)?.id.clone();
    let id = named(&request.token_id)?;
    store
        .personal_tokens
        .retain(|_, token| token.user != user || token.id != id);
    Ok(json!({"deletionDate": time(now)}))
}
