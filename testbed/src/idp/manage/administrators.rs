//! Who may do what with the API.
//!
//! Source: zitadel `proto/zitadel/internal_permission/v2/*.proto`. Here somebody has one role, in the
//! organisation that they are of; more than that is refused rather than taken for something else.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::lists::paged;
use super::{ApiError, Caller, Permission, named, parse, time};
use crate::idp::core::store::{Administrator, Store};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Grant {
    #[serde(default)]
    user_id: String,
    #[serde(default)]
    resource: Resource,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Resource {
    organization_id: Option<String>,
}

impl Grant {
    /// Whom it makes what.
    fn settle(self, store: &Store, caller: &Caller) -> Result<(String, Administrator), ApiError> {
        let user = named(&self.user_id)?;
        let wanted = ApiError::invalid("resource: a valid value must be set");
        let organisation = self.resource.organization_id.ok_or(wanted)?;
        caller.require(store, Permission::Members, &organisation)?;
        let found = store.users.get(user);
        let found = found.ok_or(ApiError::precondition("Errors.User.NotFound"))?;
        if found.organisation != organisation {
            return Err(ApiError::invalid(
                "members of other organisations are not known here",
            ));
        }
        let role = match self.roles.as_slice() {
            [role] if role == "ORG_OWNER" => Administrator::Organisation,
            [role] if role == "ORG_USER_MANAGER" => Administrator::Users,
            _ => return Err(ApiError::invalid("Errors.Org.MemberInvalid")),
        };
        Ok((user.to_owned(), role))
    }
}

/// One for a user and organisation; other roles come by `UpdateAdministrator`.
pub(super) fn create(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let (user, role) = parse::<Grant>(request)?.settle(store, caller)?;
    if store.administrators.contains_key(&user) {
        return Err(ApiError::exists("Errors.Org.Member.AlreadyExists"));
    }
    store.administrators.insert(user, role);
    Ok(json!({"creationDate": time(now)}))
}

/// The roles are those of the request and no others.
pub(super) fn update(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let (user, role) = parse::<Grant>(request)?.settle(store, caller)?;
    if !store.administrators.contains_key(&user) {
        return Err(ApiError::not_found("Errors.Org.Member.NotFound"));
    }
    store.administrators.insert(user, role);
    Ok(json!({"changeDate": time(now)}))
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    filters: Vec<Filter>,
}

/// Those that the platform asks.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Filter {
    InUserIdsFilter(Ids),
    Resource(Resource),
}

#[derive(Deserialize)]
struct Ids {
    ids: Vec<String>,
}

pub(super) fn list(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: List = parse(request)?;
    let mut administrators = Vec::new();
    for (id, role) in &store.administrators {
        let Some(user) = store.users.get(id) else {
            continue;
        };
        // Of the instance, not of an organisation.
        let role = match role {
            Administrator::Instance => continue,
            Administrator::Organisation => "ORG_OWNER",
            Administrator::Users => "ORG_USER_MANAGER",
        };
        let wanted = request.filters.iter().all(|filter| match filter {
            Filter::InUserIdsFilter(users) => users.ids.contains(id),
            Filter::Resource(resource) => {
                resource.organization_id.as_ref() == Some(&user.organisation)
            }
        });
        if !wanted || !caller.sees(store, Permission::Members, &user.organisation) {
            continue;
        }
        administrators.push(json!({
            "user": {"id": id, "preferredLoginName": user.username, "organizationId": user.organisation},
            "organization": {"id": user.organisation},
            "roles": [role],
        }));
    }
    Ok(paged("administrators", administrators))
}
