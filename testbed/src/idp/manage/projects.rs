//! Organisations, projects and the roles that there are.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::lists::paged;
use super::{ApiError, Caller, Permission, named, parse, shown, time};
use crate::idp::core::store::{Organisation, Project, Store};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddOrganization {
    #[serde(default)]
    name: String,
    organization_id: Option<String>,
}

pub(super) fn add_organization(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: AddOrganization = parse(request)?;
    let name = named(&request.name)?.to_owned();
    caller.require(store, Permission::Organizations, "")?;
    let id = request.organization_id.unwrap_or_else(|| store.new_id());
    let taken = store.organisations.values().any(|other| other.name == name);
    if taken || store.organisations.contains_key(&id) {
        return Err(ApiError::exists("Errors.Org.AlreadyExists"));
    }
    let domain = format!("{}.idp.test", name.to_lowercase().replace(' ', "-"));
    store
        .organisations
        .insert(id.clone(), Organisation { name, domain });
    Ok(json!({"organizationId": id, "details": {"creationDate": time(now)}}))
}

fn shown_organization((id, organisation): (&String, &Organisation)) -> Value {
    json!({
        "id": id, "state": "ORGANIZATION_STATE_ACTIVE",
        "name": organisation.name, "primaryDomain": organisation.domain,
    })
}

#[derive(Deserialize)]
struct ListOrganizations {
    #[serde(default)]
    queries: Vec<Query>,
}

#[derive(Deserialize)]
enum Query {
    #[serde(rename = "nameQuery")]
    Name { name: String },
    #[serde(rename = "idQuery")]
    Id { id: String },
}

pub(super) fn list_organizations(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: ListOrganizations = parse(request)?;
    let wanted = |(id, organisation): &(&String, &Organisation)| {
        request.queries.iter().all(|query| match query {
            Query::Name { name } => *name == organisation.name,
            Query::Id { id: wanted } => wanted == *id,
        })
    };
    let seen = |(id, _): &(&String, _)| caller.sees(store, Permission::ReadProjects, id);
    let organisations = store.organisations.iter().filter(wanted).filter(seen);
    let result: Vec<Value> = organisations.map(shown_organization).collect();
    Ok(json!({"details": {"totalResult": result.len().to_string()}, "result": result}))
}

/// The one call of version 1: a machine learns here where it belongs.
pub(super) fn own_organization(
    store: &mut Store,
    caller: &Caller,
    _: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let own = caller.organisation(store);
    let own = own.and_then(|own| store.organisations.get_key_value(own));
    let own = own.ok_or(ApiError::not_found("Errors.Org.NotFound"))?;
    caller.require(store, Permission::ReadProjects, own.0)?;
    Ok(json!({"org": shown_organization(own)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    #[serde(default)]
    organization_id: String,
    project_id: Option<String>,
    #[serde(default)]
    name: String,
    #[serde(default)]
    project_role_assertion: bool,
}

pub(super) fn create(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Create = parse(request)?;
    let organisation = named(&request.organization_id)?.to_owned();
    let name = named(&request.name)?.to_owned();
    caller.require(store, Permission::Projects, &organisation)?;
    if !store.organisations.contains_key(&organisation) {
        return Err(ApiError::precondition("Errors.Org.NotFound"));
    }
    let taken = |other: &Project| other.organisation == organisation && other.name == name;
    let id = request.project_id.unwrap_or_else(|| store.new_id());
    if store.projects.contains_key(&id) || store.projects.values().any(taken) {
        return Err(ApiError::exists("Errors.Project.AlreadyExists"));
    }
    let project = Project {
        name,
        organisation,
        roles: BTreeMap::new(),
        role_assertion: request.project_role_assertion,
    };
    store.projects.insert(id.clone(), project);
    Ok(json!({"projectId": id, "creationDate": time(now)}))
}

/// What a request does not name stays.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    project_id: String,
    name: Option<String>,
    project_role_assertion: Option<bool>,
}

pub(super) fn update(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Update = parse(request)?;
    let name = request.name.as_deref().map(named).transpose()?;
    let project = project(store, caller, Permission::Projects, &request.project_id)?;
    if let Some(name) = name {
        name.clone_into(&mut project.name);
    }
    if let Some(role_assertion) = request.project_role_assertion {
        project.role_assertion = role_assertion;
    }
    Ok(json!({"changeDate": time(now)}))
}

/// The project that a request names, if the caller may do this with it.
pub(super) fn project<'a>(
    store: &'a mut Store,
    caller: &Caller,
    permission: Permission,
    id: &str,
) -> Result<&'a mut Project, ApiError> {
    let unknown = ApiError::not_found("Errors.Project.NotFound");
    let organisation = store
        .projects
        .get(named(id)?)
        .map(|project| project.organisation.clone());
    caller.require(store, permission, &organisation.ok_or(unknown)?)?;
    store.projects.get_mut(id).ok_or(unknown)
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Filter {
    ProjectNameFilter(ProjectName),
    OrganizationIdFilter(OrganizationId),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProjectName {
    project_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OrganizationId {
    organization_id: String,
}

pub(super) fn list(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: List = parse(request)?;
    let own = caller.organisation(store).unwrap_or_default();
    // Whoever has no role is told so, other than in most lists.
    let refused = ApiError::not_found("membership not found (AUTHZ-cdgFk)");
    caller
        .require(store, Permission::ReadProjects, own)
        .map_err(|_| refused)?;
    let mut projects = Vec::new();
    for (id, project) in &store.projects {
        let wanted = request.filters.iter().all(|filter| match filter {
            Filter::ProjectNameFilter(filter) => project.name == filter.project_name,
            Filter::OrganizationIdFilter(filter) => project.organisation == filter.organization_id,
        });
        if wanted && caller.sees(store, Permission::ReadProjects, &project.organisation) {
            projects.push(shown(json!({
                "projectId": id, "organizationId": project.organisation, "name": project.name,
                "projectRoleAssertion": project.role_assertion, "state": "PROJECT_STATE_ACTIVE",
            })));
        }
    }
    Ok(paged("projects", projects))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddRole {
    #[serde(default)]
    project_id: String,
    #[serde(default)]
    role_key: String,
    #[serde(default)]
    display_name: String,
}

pub(super) fn add_role(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: AddRole = parse(request)?;
    let (key, display) = (named(&request.role_key)?, named(&request.display_name)?);
    let project = project(store, caller, Permission::Projects, &request.project_id)?;
    if project.roles.contains_key(key) {
        return Err(ApiError::exists("Errors.Project.Role.AlreadyExists"));
    }
    project.roles.insert(key.to_owned(), display.to_owned());
    Ok(json!({"creationDate": time(now)}))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Named {
    #[serde(default)]
    project_id: String,
}

pub(super) fn list_roles(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: Named = parse(request)?;
    let project = project(store, caller, Permission::ReadProjects, &request.project_id)?;
    let shown = |(key, display): (&String, &String)| json!({"projectId": request.project_id, "key": key, "displayName": display});
    let roles = project.roles.iter().map(shown).collect();
    Ok(paged("projectRoles", roles))
}
