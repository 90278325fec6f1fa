//! Applications that log people in, and APIs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::lists::paged;
use super::{ApiError, Caller, Permission, named, parse, projects, shown, time};
use crate::idp::core::clients::{Application, ApplicationKind, Asserts, GrantType, ResponseType};
use crate::idp::core::store::{Project, Store, TokenType};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    #[serde(default)]
    project_id: String,
    #[serde(default)]
    name: String,
    oidc_configuration: Option<Oidc>,
    api_configuration: Option<Api>,
}

/// As it is created, and as it is changed: then what is absent stays, and so do lists that are empty.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Oidc {
    redirect_uris: Vec<String>,
    post_logout_redirect_uris: Vec<String>,
    response_types: Vec<ResponseType>,
    grant_types: Vec<GrantType>,
    application_type: Option<ApplicationKind>,
    auth_method_type: Option<AuthMethod>,
    access_token_type: Option<TokenType>,
    access_token_role_assertion: Option<bool>,
    id_token_role_assertion: Option<bool>,
    id_token_userinfo_assertion: Option<bool>,
}

/// Applications of the platform have no secret.
#[derive(Deserialize, Serialize, Clone, Copy, PartialEq, Eq)]
enum AuthMethod {
    #[serde(rename = "OIDC_AUTH_METHOD_TYPE_BASIC")]
    Basic,
    #[serde(rename = "OIDC_AUTH_METHOD_TYPE_NONE")]
    None,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Api {
    auth_method_type: ApiAuthMethod,
}

#[derive(Deserialize, Serialize, Default, Clone, Copy, PartialEq, Eq)]
enum ApiAuthMethod {
    #[default]
    #[serde(rename = "API_AUTH_METHOD_TYPE_BASIC")]
    Basic,
    #[serde(rename = "API_AUTH_METHOD_TYPE_PRIVATE_KEY_JWT")]
    PrivateKeyJwt,
}

const SECRETS: ApiError = ApiError::invalid("the test IdP has applications without a secret only");

impl Oidc {
    fn has_secret(&self, otherwise: AuthMethod) -> bool {
        self.auth_method_type.unwrap_or(otherwise) != AuthMethod::None
    }

    /// Takes over what is said.
    fn apply(self, application: &mut Application) {
        fn list<T>(given: Vec<T>, kept: &mut Vec<T>) {
            if !given.is_empty() {
                *kept = given;
            }
        }
        list(self.redirect_uris, &mut application.redirect_uris);
        let after_logout = &mut application.post_logout_redirect_uris;
        list(self.post_logout_redirect_uris, after_logout);
        list(self.response_types, &mut application.response_types);
        list(self.grant_types, &mut application.grants);
        application.kind = self.application_type.unwrap_or(application.kind);
        application.tokens = self.access_token_type.unwrap_or(application.tokens);
        let Asserts {
            access_token_roles,
            id_token_roles,
            id_token_profile,
        } = application.asserts;
        application.asserts = Asserts {
            access_token_roles: self
                .access_token_role_assertion
                .unwrap_or(access_token_roles),
            id_token_roles: self.id_token_role_assertion.unwrap_or(id_token_roles),
            id_token_profile: self.id_token_userinfo_assertion.unwrap_or(id_token_profile),
        };
    }
}

/// `OIDCApp.IsValid` of zitadel `internal/domain/application_oidc.go`: it can ask for something, and
/// has the grants for it.
fn is_valid(application: &Application) -> bool {
    let codes = application.response_types.contains(&ResponseType::Code);
    codes && application.grants.contains(&GrantType::AuthorizationCode)
}

pub(super) fn create(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Create = parse(request)?;
    let name = named(&request.name)?.to_owned();
    let missing = ApiError::invalid("invalid CreateApplicationRequest.ApplicationType");
    let (oidc, api) = match (request.oidc_configuration, request.api_configuration) {
        (Some(oidc), None) if oidc.has_secret(AuthMethod::Basic) => return Err(SECRETS),
        (Some(oidc), None) => (oidc, false),
        (None, Some(api)) if api.auth_method_type == ApiAuthMethod::Basic => return Err(SECRETS),
        (None, Some(_)) => (Oidc::default(), true),
        _ => return Err(missing),
    };
    projects::project(store, caller, Permission::Projects, &request.project_id)?;
    let project = request.project_id;
    let taken = |other: &Application| other.project == project && other.name == name;
    if store.applications.values().any(taken) {
        return Err(ApiError::exists("Errors.Project.App.AlreadyExists"));
    }
    let (id, client) = (store.new_id(), store.new_id());
    let mut application = Application {
        id: client.clone(),
        resource_id: id.clone(),
        name,
        project,
        api,
        kind: ApplicationKind::default(),
        redirect_uris: Vec::new(),
        post_logout_redirect_uris: Vec::new(),
        response_types: Vec::new(),
        grants: Vec::new(),
        tokens: TokenType::default(),
        asserts: Asserts::default(),
    };
    oidc.apply(&mut application);
    if !api && !is_valid(&application) {
        return Err(ApiError::invalid("Errors.Project.App.Invalid"));
    }
    store.applications.insert(client.clone(), application);
    let configuration = if api {
        "apiConfiguration"
    } else {
        "oidcConfiguration"
    };
    Ok(json!({
        "applicationId": id, "creationDate": time(now), configuration: {"clientId": client},
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Update {
    #[serde(default)]
    project_id: String,
    #[serde(default)]
    application_id: String,
    #[serde(default)]
    name: String,
    oidc_configuration: Option<Oidc>,
    api_configuration: Option<Api>,
}

pub(super) fn update(
    store: &mut Store,
    caller: &Caller,
    request: Value,
    now: Timestamp,
) -> Result<Value, ApiError> {
    let request: Update = parse(request)?;
    let id = named(&request.application_id)?;
    projects::project(store, caller, Permission::Projects, &request.project_id)?;
    let of_project = |a: &&mut Application| a.resource_id == id && a.project == request.project_id;
    let found = store.applications.values_mut().find(of_project);
    let application = found.ok_or(ApiError::not_found("Errors.Project.App.NotExisting"))?;
    if !request.name.is_empty() {
        application.name = request.name;
    }
    match (request.oidc_configuration, request.api_configuration) {
        (Some(_), _) if application.api => {
            return Err(ApiError::precondition("Errors.Project.App.IsNotOIDC"));
        }
        (_, Some(_)) if !application.api => {
            return Err(ApiError::precondition("Errors.Project.App.IsNotAPI"));
        }
        // Absent is no choice there.
        (_, Some(api)) if api.auth_method_type == ApiAuthMethod::Basic => return Err(SECRETS),
        (Some(oidc), _) if oidc.has_secret(AuthMethod::None) => return Err(SECRETS),
        (Some(oidc), _) => oidc.apply(application),
        _ => {}
    }
    Ok(json!({"changeDate": time(now)}))
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
        let seen = |project: &&Project| {
            caller.sees(store, Permission::ReadProjects, &project.organisation)
        };
        if project.as_ref().is_some_and(seen) {
            applications.push(found(application));
        }
    }
    Ok(paged("applications", applications))
}

/// Without the values that are zero in the protocol, of which `Basic` would be one.
fn found(application: &Application) -> Value {
    let (name, configuration) = if application.api {
        let method = ApiAuthMethod::PrivateKeyJwt;
        let api = json!({"clientId": application.id, "authMethodType": method});
        ("apiConfiguration", api)
    } else {
        let kind = Some(application.kind).filter(|kind| *kind != ApplicationKind::Web);
        let jwt = (application.tokens == TokenType::Jwt).then_some("OIDC_TOKEN_TYPE_JWT");
        let oidc = json!({
            "clientId": application.id,
            "redirectUris": application.redirect_uris,
            "postLogoutRedirectUris": application.post_logout_redirect_uris,
            "responseTypes": application.response_types,
            "grantTypes": application.grants,
            "applicationType": kind,
            "authMethodType": AuthMethod::None,
            "accessTokenType": jwt,
            "accessTokenRoleAssertion": application.asserts.access_token_roles,
            "idTokenRoleAssertion": application.asserts.id_token_roles,
            "idTokenUserinfoAssertion": application.asserts.id_token_profile,
            "allowedOrigins": [],
        });
        ("oidcConfiguration", oidc)
    };
    json!({
        "applicationId": application.resource_id, "projectId": application.project,
        "name": application.name, "state": "APPLICATION_STATE_ACTIVE", name: shown(configuration),
    })
}
