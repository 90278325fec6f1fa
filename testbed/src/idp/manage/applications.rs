//! Applications that log people in.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ApiError, Caller, Permission, named, parse, projects, time};
use crate::idp::core::clients::{Application, Asserts, GrantType};
use crate::idp::core::store::{Store, TokenType};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    #[serde(default)]
    project_id: String,
    #[serde(default)]
    name: String,
    oidc_configuration: Option<Oidc>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Oidc {
    redirect_uris: Vec<String>,
    grant_types: Vec<GrantType>,
    application_type: ApplicationType,
    auth_method_type: AuthMethod,
    access_token_type: TokenType,
    access_token_role_assertion: bool,
    id_token_role_assertion: bool,
    id_token_userinfo_assertion: bool,
}

#[derive(Deserialize, Default, PartialEq)]
enum ApplicationType {
    #[default]
    #[serde(rename = "OIDC_APP_TYPE_WEB", alias = "OIDC_APPLICATION_TYPE_WEB")]
    Web,
    #[serde(
        rename = "OIDC_APP_TYPE_USER_AGENT",
        alias = "OIDC_APPLICATION_TYPE_USER_AGENT"
    )]
    UserAgent,
    #[serde(
        rename = "OIDC_APP_TYPE_NATIVE",
        alias = "OIDC_APPLICATION_TYPE_NATIVE"
    )]
    Native,
}

/// Applications of the platform have no secret.
#[derive(Deserialize, Default)]
enum AuthMethod {
    #[default]
    #[serde(rename = "OIDC_AUTH_METHOD_TYPE_BASIC")]
    Basic,
    #[serde(rename = "OIDC_AUTH_METHOD_TYPE_NONE")]
    None,
}

impl Default for Oidc {
    fn default() -> Self {
        Self {
            redirect_uris: Vec::new(),
            grant_types: vec![GrantType::AuthorizationCode],
            application_type: ApplicationType::default(),
            auth_method_type: AuthMethod::default(),
            access_token_type: TokenType::default(),
            access_token_role_assertion: false,
            id_token_role_assertion: false,
            id_token_userinfo_assertion: false,
        }
    }
}

pub(super) fn create(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Create = parse(request)?;
    let name = named(&request.name)?.to_owned();
    let oidc = request.oidc_configuration;
    let oidc = oidc.ok_or(ApiError::invalid("the test IdP has OIDC applications only"))?;
    if !matches!(oidc.auth_method_type, AuthMethod::None) {
        return Err(ApiError::invalid(
            "the test IdP has applications without a secret only",
        ));
    }
    projects::project(store, caller, Permission::Projects, &request.project_id)?;
    let project = request.project_id;
    let taken = |other: &Application| other.project == project && other.name == name;
    if store.applications.values().any(taken) {
        return Err(ApiError::exists("Errors.Project.App.AlreadyExists"));
    }
    let (id, client) = (store.new_id(), store.new_id());
    let application = Application {
        id: client.clone(),
        resource_id: id.clone(),
        name,
        project,
        native: oidc.application_type == ApplicationType::Native,
        redirect_uris: oidc.redirect_uris,
        grants: oidc.grant_types,
        tokens: oidc.access_token_type,
        asserts: Asserts {
            access_token_roles: oidc.access_token_role_assertion,
            id_token_roles: oidc.id_token_role_assertion,
            id_token_profile: oidc.id_token_userinfo_assertion,
        },
    };
    store.applications.insert(client.clone(), application);
    let configuration = json!({"clientId": client});
    Ok(json!({"applicationId": id, "creationDate": time(now), "oidcConfiguration": configuration}))
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    filters: Vec<Filter>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum Filter {
    ProjectIdFilter(ProjectId),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProjectId {
    project_id: String,
}

pub(super) fn list(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    _: Timestamp,
) -> Result<Value, ApiError> {
    let request: List = parse(request)?;
    let mut applications = Vec::new();
    for application in store.applications.values() {
        let wanted = request.filters.iter().all(|filter| match filter {
            Filter::ProjectIdFilter(filter) => filter.project_id == application.project,
        });
        let project = store.projects.get(&application.project).filter(|_| wanted);
        let seen = |project: &&crate::idp::core::store::Project| {
            caller.sees(store, Permission::ReadProjects, &project.organisation)
        };
        if project.as_ref().is_some_and(seen) {
            applications.push(json!({
                "applicationId": application.resource_id, "projectId": application.project,
                "name": application.name, "state": "APPLICATION_STATE_ACTIVE",
                "oidcConfiguration": {
                    "clientId": application.id, "redirectUris": application.redirect_uris,
                },
            }));
        }
    }
    let total = applications.len().to_string();
    Ok(json!({"pagination": {"totalResult": total}, "applications": applications}))
}
