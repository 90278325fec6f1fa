//! Role grants.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::lists::paged;
use super::{ApiError, Caller, Permission, named, parse, time};
use crate::idp::core::store::{Authorization, Store};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    project_id: String,
    #[serde(default)]
    organization_id: String,
    #[serde(default)]
    role_keys: Vec<String>,
}

/// One for a user, project and organisation; further roles come by `UpdateAuthorization`.
pub(super) fn create(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Create = parse(request)?;
    let user = named(&request.user_id)?.to_owned();
    let project = named(&request.project_id)?.to_owned();
    let organisation = named(&request.organization_id)?.to_owned();
    caller.require(store, Permission::Grants, &organisation)?;
    if !store.users.contains_key(&user) {
        return Err(ApiError::precondition("Errors.User.NotFound"));
    }
    let roles = existing_roles(store, &project, request.role_keys)?;
    let granted = |other: &Authorization| {
        other.user == user && other.project == project && other.organisation == organisation
    };
    if store.authorizations.values().any(granted) {
        return Err(ApiError::exists("Errors.UserGrant.AlreadyExists"));
    }
    let id = store.new_id();
    let authorization = Authorization {
        user,
        project,
        organisation,
        roles,
        active: true,
    };
    store.authorizations.insert(id.clone(), authorization);
    Ok(json!({"id": id, "creationDate": time(now)}))
}

/// A role must be there before it is granted.
fn existing_roles(
    store: &Store,
    project: &str,
    keys: Vec<String>,
) -> Result<BTreeSet<String>, ApiError> {
    let project = store.projects.get(project);
    let project = project.ok_or(ApiError::precondition("Errors.Project.NotFound"))?;
    if !keys.iter().all(|key| project.roles.contains_key(key)) {
        return Err(ApiError::precondition("Errors.Project.Role.NotFound"));
    }
    Ok(keys.into_iter().collect())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    id: String,
    #[serde(default)]
    role_keys: Vec<String>,
}

fn authorization<'a>(
    store: &'a mut Store,
    caller: &Caller,
    id: &str,
) -> Result<&'a mut Authorization, ApiError> {
    let unknown = ApiError::not_found("Errors.UserGrant.NotFound");
    let organisation = store
        .authorizations
        .get(named(id)?)
        .map(|grant| grant.organisation.clone());
    caller.require(store, Permission::Grants, &organisation.ok_or(unknown)?)?;
    store.authorizations.get_mut(id).ok_or(unknown)
}

/// Roles that the list does not name are taken away.
pub(super) fn update(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Update = parse(request)?;
    let project = authorization(store, caller, &request.id)?.project.clone();
    let roles = existing_roles(store, &project, request.role_keys)?;
    authorization(store, caller, &request.id)?.roles = roles;
    Ok(json!({"changeDate": time(now)}))
}

pub(super) fn activate(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Update = parse(request)?;
    authorization(store, caller, &request.id)?.active = true;
    Ok(json!({"changeDate": time(now)}))
}

pub(super) fn deactivate(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Update = parse(request)?;
    authorization(store, caller, &request.id)?.active = false;
    Ok(json!({"changeDate": time(now)}))
}

/// A grant that is gone already is as good as deleted.
pub(super) fn delete(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Update = parse(request)?;
    if !store.authorizations.contains_key(named(&request.id)?) {
        return Ok(json!({}));
    }
    authorization(store, caller, &request.id)?;
    store.authorizations.remove(&request.id);
    Ok(json!({"deletionDate": time(now)}))
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    filters: Vec<Filter>,
}

/// Those that the platform asks.
#[derive(Deserialize)]
enum Filter {
    #[serde(rename = "userId")]
    User(Id),
    #[serde(rename = "projectId")]
    Project(Id),
    #[serde(rename = "organizationId")]
    Organization(Id),
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

pub(super) fn list(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: List = parse(request)?;
    let mut authorizations = Vec::new();
    for (id, grant) in &store.authorizations {
        let wanted = request.filters.iter().all(|filter| match filter {
            Filter::User(filter) => filter.id == grant.user,
            Filter::Project(filter) => filter.id == grant.project,
            Filter::Organization(filter) => filter.id == grant.organisation,
        });
        if !wanted || !caller.sees(store, Permission::Grants, &grant.organisation) {
            continue;
        }
        let state = if grant.active {
            "STATE_ACTIVE"
        } else {
            "STATE_INACTIVE"
        };
        let roles: Vec<Value> = grant.roles.iter().map(|key| json!({"key": key})).collect();
        authorizations.push(json!({
            "id": id, "state": state, "user": {"id": grant.user},
            "project": {"id": grant.project}, "organization": {"id": grant.organisation},
            "roles": roles,
        }));
    }
    Ok(paged("authorizations", authorizations))
}
