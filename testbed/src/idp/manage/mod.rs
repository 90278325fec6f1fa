//! The calls that change users, keys and projects, as values to values.
//!
//! Source: zitadel `proto/zitadel/{user,project,application,authorization,internal_permission,org}/v2/*.proto` and its
//! guide from v1 to v2. Every call is there as Connect RPC; those on users also as REST, and
//! differ in nothing but the form of their errors.

mod access;
mod administrators;
mod applications;
mod authorizations;
mod error;
mod keys;
mod lists;
mod personal_tokens;
mod projects;
mod users;

use std::fmt;

use http::Method;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::core::store::Store;

pub(super) use access::Caller;
use access::Permission;
pub use error::{ApiError, Code};

/// One call.
pub(super) type Operation = fn(&mut Store, &Caller, Value, Timestamp) -> Result<Value, ApiError>;

/// A call as Connect RPC.
pub(super) const CONNECT: &[(&str, Operation)] = &[
    ("/zitadel.user.v2.UserService/CreateUser", users::create),
    ("/zitadel.user.v2.UserService/ListUsers", users::list),
    ("/zitadel.user.v2.UserService/GetUserByID", users::get),
    (
        "/zitadel.user.v2.UserService/DeactivateUser",
        users::deactivate,
    ),
    (
        "/zitadel.user.v2.UserService/ReactivateUser",
        users::reactivate,
    ),
    ("/zitadel.user.v2.UserService/LockUser", users::lock),
    ("/zitadel.user.v2.UserService/UnlockUser", users::unlock),
    ("/zitadel.user.v2.UserService/DeleteUser", users::delete),
    (
        "/zitadel.user.v2.UserService/SetUserMetadata",
        users::set_metadata,
    ),
    (
        "/zitadel.user.v2.UserService/ListUserMetadata",
        users::list_metadata,
    ),
    ("/zitadel.user.v2.UserService/AddKey", keys::add),
    ("/zitadel.user.v2.UserService/ListKeys", keys::list),
    ("/zitadel.user.v2.UserService/RemoveKey", keys::remove),
    (
        "/zitadel.user.v2.UserService/AddPersonalAccessToken",
        personal_tokens::add,
    ),
    (
        "/zitadel.user.v2.UserService/ListPersonalAccessTokens",
        personal_tokens::list,
    ),
    (
        "/zitadel.user.v2.UserService/RemovePersonalAccessToken",
        personal_tokens::remove,
    ),
    (
        "/zitadel.internal_permission.v2.InternalPermissionService/ListAdministrators",
        administrators::list,
    ),
    (
        "/zitadel.internal_permission.v2.InternalPermissionService/CreateAdministrator",
        administrators::create,
    ),
    (
        "/zitadel.internal_permission.v2.InternalPermissionService/UpdateAdministrator",
        administrators::update,
    ),
    (
        "/zitadel.org.v2.OrganizationService/AddOrganization",
        projects::add_organization,
    ),
    (
        "/zitadel.org.v2.OrganizationService/ListOrganizations",
        projects::list_organizations,
    ),
    (
        "/zitadel.project.v2.ProjectService/CreateProject",
        projects::create,
    ),
    (
        "/zitadel.project.v2.ProjectService/UpdateProject",
        projects::update,
    ),
    (
        "/zitadel.project.v2.ProjectService/ListProjects",
        projects::list,
    ),
    (
        "/zitadel.project.v2.ProjectService/AddProjectRole",
        projects::add_role,
    ),
    (
        "/zitadel.project.v2.ProjectService/ListProjectRoles",
        projects::list_roles,
    ),
    (
        "/zitadel.application.v2.ApplicationService/CreateApplication",
        applications::create,
    ),
    (
        "/zitadel.application.v2.ApplicationService/UpdateApplication",
        applications::update,
    ),
    (
        "/zitadel.application.v2.ApplicationService/ListApplications",
        applications::list,
    ),
    (
        "/zitadel.authorization.v2.AuthorizationService/CreateAuthorization",
        authorizations::create,
    ),
    (
        "/zitadel.authorization.v2.AuthorizationService/UpdateAuthorization",
        authorizations::update,
    ),
    (
        "/zitadel.authorization.v2.AuthorizationService/DeleteAuthorization",
        authorizations::delete,
    ),
    (
        "/zitadel.authorization.v2.AuthorizationService/ActivateAuthorization",
        authorizations::activate,
    ),
    (
        "/zitadel.authorization.v2.AuthorizationService/DeactivateAuthorization",
        authorizations::deactivate,
    ),
    (
        "/zitadel.authorization.v2.AuthorizationService/ListAuthorizations",
        authorizations::list,
    ),
];

/// A call as REST: what its path names goes into the body.
pub(super) const REST: &[(Method, &str, Operation)] = &[
    (Method::POST, "/v2/users/new", users::create),
    (Method::POST, "/v2/users", users::list),
    (Method::GET, "/v2/users/{userId}", users::get),
    (Method::DELETE, "/v2/users/{userId}", users::delete),
    (
        Method::POST,
        "/v2/users/{userId}/deactivate",
        users::deactivate,
    ),
    (
        Method::POST,
        "/v2/users/{userId}/reactivate",
        users::reactivate,
    ),
    (Method::POST, "/v2/users/{userId}/lock", users::lock),
    (Method::POST, "/v2/users/{userId}/unlock", users::unlock),
    (
        Method::POST,
        "/v2/users/{userId}/metadata",
        users::set_metadata,
    ),
    (
        Method::POST,
        "/v2/users/{userId}/metadata/search",
        users::list_metadata,
    ),
    (Method::POST, "/v2/users/{userId}/keys", keys::add),
    (Method::POST, "/v2/users/keys/search", keys::list),
    (
        Method::DELETE,
        "/v2/users/{userId}/keys/{keyId}",
        keys::remove,
    ),
    (
        Method::POST,
        "/v2/organizations",
        projects::add_organization,
    ),
    (
        Method::POST,
        "/v2/organizations/_search",
        projects::list_organizations,
    ),
    (
        Method::GET,
        "/management/v1/orgs/me",
        projects::own_organization,
    ),
];

/// A request as the call knows it. Unknown fields are passed over, as there.
fn parse<T: DeserializeOwned>(request: Value) -> Result<T, ApiError> {
    serde_json::from_value(request).map_err(|_| ApiError::invalid("proto: syntax error"))
}

/// Names and ids have between one and 200 characters.
fn named(value: &str) -> Result<&str, ApiError> {
    if (1..=200).contains(&value.chars().count()) {
        return Ok(value);
    }
    Err(ApiError::invalid(
        "value length must be between 1 and 200 runes, inclusive",
    ))
}

/// As protobuf's JSON has objects: what is false, zero or empty is left out.
fn shown(mut object: Value) -> Value {
    if let Some(fields) = object.as_object_mut() {
        fields.retain(|_, value| match value {
            Value::Bool(false) | Value::Null => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(items) => !items.is_empty(),
            _ => true,
        });
    }
    object
}

/// As JSON has times.
fn time(time: impl fmt::Display) -> Value {
    Value::String(time.to_string())
}
