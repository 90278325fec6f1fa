//! Users and their metadata.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Caller, Permission, named, parse, time};
use crate::idp::core::store::{Store, TokenType, User, UserKind, UserState};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    #[serde(default)]
    organization_id: String,
    user_id: Option<String>,
    username: Option<String>,
    machine: Option<Machine>,
    human: Option<Human>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    #[serde(default)]
    name: String,
    #[serde(default)]
    access_token_type: TokenType,
}

#[derive(Deserialize)]
struct Human {
    email: Email,
}

#[derive(Deserialize)]
struct Email {
    email: String,
}

pub(super) fn create(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Create = parse(request)?;
    let organisation = named(&request.organization_id)?.to_owned();
    let kind = match (request.machine, request.human) {
        (Some(machine), None) => UserKind::Machine {
            name: named(&machine.name)?.to_owned(),
            tokens: machine.access_token_type,
        },
        (None, Some(human)) => UserKind::Human {
            email: named(&human.email.email)?.to_owned(),
        },
        _ => return Err(ApiError::invalid("user type must be human or machine")),
    };
    caller.require(store, Permission::Users, &organisation)?;
    if !store.organisations.contains_key(&organisation) {
        return Err(ApiError::precondition("Errors.Org.NotFound"));
    }
    let id = request.user_id.unwrap_or_else(|| store.new_id());
    let username = request.username.unwrap_or_else(|| match &kind {
        UserKind::Machine { .. } => id.clone(),
        UserKind::Human { email } => email.clone(),
    });
    let taken = |user: &User| user.organisation == organisation && user.username == username;
    if store.users.contains_key(named(&id)?) || store.users.values().any(taken) {
        return Err(ApiError::exists("Errors.User.AlreadyExists"));
    }
    let user = User {
        id: id.clone(),
        organisation,
        username: named(&username)?.to_owned(),
        kind,
        state: UserState::Active,
        metadata: BTreeMap::new(),
    };
    store.users.insert(id.clone(), user);
    Ok(json!({"id": id, "creationDate": time(now)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    #[serde(default)]
    user_id: String,
}

/// The user whom a request names, if the caller may have to do with them.
pub(super) fn user<'a>(
    store: &'a mut Store,
    caller: &Caller,
    id: &str,
) -> Result<&'a mut User, ApiError> {
    let unknown = ApiError::not_found("Errors.User.NotFound");
    let organisation = store
        .users
        .get(named(id)?)
        .map(|user| user.organisation.clone());
    caller.require(store, Permission::Users, &organisation.ok_or(unknown)?)?;
    store.users.get_mut(id).ok_or(unknown)
}

pub(super) fn get(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: Named = parse(request)?;
    Ok(json!({"user": shown(user(store, caller, &request.user_id)?)}))
}

fn shown(user: &User) -> Value {
    let mut shown = json!({
        "userId": user.id,
        "details": {"resourceOwner": user.organisation},
        "state": user.state.name(),
        "username": user.username,
        "preferredLoginName": user.username,
    });
    match &user.kind {
        UserKind::Machine { name, tokens } => {
            let tokens = match tokens {
                TokenType::Opaque => "ACCESS_TOKEN_TYPE_BEARER",
                TokenType::Jwt => "ACCESS_TOKEN_TYPE_JWT",
            };
            shown["machine"] = json!({"name": name, "accessTokenType": tokens});
        }
        UserKind::Human { email } => {
            shown["human"] = json!({"email": {"email": email, "isVerified": true}});
        }
    }
    shown
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    queries: Vec<Query>,
}

/// Those that the platform asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Query {
    OrganizationIdQuery(OrganizationId),
    UserNameQuery(UserName),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrganizationId {
    organization_id: String,
}

/// Compared for equality only: another `method` is refused rather than answered wrongly.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UserName {
    user_name: String,
    #[serde(default)]
    method: Method,
}

#[derive(Deserialize, Default)]
enum Method {
    #[default]
    #[serde(rename = "TEXT_QUERY_METHOD_EQUALS")]
    Equals,
}

/// A caller without a role sees itself only.
pub(super) fn list(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: List = parse(request)?;
    let wanted = |user: &&User| {
        request.queries.iter().all(|query| match query {
            Query::OrganizationIdQuery(query) => user.organisation == query.organization_id,
            Query::UserNameQuery(query) => {
                let Method::Equals = query.method;
                user.username == query.user_name
            }
        })
    };
    let seen = |user: &&User| {
        *caller == Caller::User(user.id.clone())
            || caller.sees(store, Permission::Users, &user.organisation)
    };
    let users: Vec<Value> = store
        .users
        .values()
        .filter(wanted)
        .filter(seen)
        .map(shown)
        .collect();
    Ok(json!({"details": {"totalResult": users.len().to_string()}, "result": users}))
}

fn change(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
    step: (UserState, UserState, &'static str),
) -> Result<Value, ApiError> {
    let request: Named = parse(request)?;
    let user = user(store, caller, &request.user_id)?;
    let (from, to, wrong_state) = step;
    if user.state != from {
        return Err(ApiError::precondition(wrong_state));
    }
    user.state = to;
    Ok(json!({"details": {"changeDate": time(now), "resourceOwner": user.organisation}}))
}

pub(super) fn deactivate(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let step = (
        UserState::Active,
        UserState::Inactive,
        "Errors.User.AlreadyInactive",
    );
    change(store, caller, request, now, step)
}

pub(super) fn reactivate(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let step = (
        UserState::Inactive,
        UserState::Active,
        "Errors.User.NotInactive",
    );
    change(store, caller, request, now, step)
}

pub(super) fn lock(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let step = (
        UserState::Active,
        UserState::Locked,
        "Errors.User.ShouldBeActiveOrInitial",
    );
    change(store, caller, request, now, step)
}

pub(super) fn unlock(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let step = (
        UserState::Locked,
        UserState::Active,
        "Errors.User.NotLocked",
    );
    change(store, caller, request, now, step)
}

/// With its keys, role grants and rights.
pub(super) fn delete(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Named = parse(request)?;
    let id = user(store, caller, &request.user_id)?.id.clone();
    store.users.remove(&id);
    store.keys.retain(|_, key| key.user != id);
    store.authorizations.retain(|_, grant| grant.user != id);
    store.administrators.remove(&id);
    store.personal_tokens.retain(|_, token| token.user != id);
    Ok(json!({"details": {"changeDate": time(now)}}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    metadata: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    key: String,
    #[serde(default)]
    value: String,
}

/// Values are base64; an empty one removes its key.
pub(super) fn set_metadata(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Metadata = parse(request)?;
    let mut entries = Vec::new();
    for Entry { key, value } in request.metadata {
        let value = STANDARD.decode(value);
        let value = value.map_err(|_| ApiError::invalid("proto: invalid value for bytes field"))?;
        entries.push((named(&key)?.to_owned(), value));
    }
    let user = user(store, caller, &request.user_id)?;
    for (key, value) in entries {
        if value.is_empty() {
            user.metadata.remove(&key);
        } else {
            user.metadata.insert(key, value);
        }
    }
    Ok(json!({"setDate": time(now)}))
}

pub(super) fn list_metadata(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: Named = parse(request)?;
    let user = user(store, caller, &request.user_id)?;
    let shown =
        |(key, value): (&String, &Vec<u8>)| json!({"key": key, "value": STANDARD.encode(value)});
    let metadata: Vec<Value> = user.metadata.iter().map(shown).collect();
    Ok(json!({"metadata": metadata}))
}
