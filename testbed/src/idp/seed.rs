//! What tests put there, by the same code as callers of the API.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::core::device_flow::Decision;
use super::core::signing;
use super::core::store::{API_PROJECT, Administrator, Authorization, Store};
use super::manage::{ApiError, CONNECT, Caller, Code};
use super::{Idp, IdpError};
use crate::process::lock;

/// The role that the first project has.
const DEVICE: &str = "device";

/// A machine that can log in.
#[derive(Debug, Clone)]
pub struct MachineKey {
    /// The user's id: `iss` and `sub` of assertions.
    pub user: String,
    /// The key's id: `kid` of assertions.
    pub key_id: String,
    /// The private key, PKCS #8 in PEM.
    pub private_pem: String,
}

/// What is there from the start.
pub(super) struct First {
    pub(super) organisation: String,
    pub(super) project: String,
    pub(super) admin_token: String,
    pub(super) admin_key: String,
}

pub(super) fn first(store: &mut Store, now: Timestamp) -> Result<First, IdpError> {
    let organisation = text(
        &call(store, now, "AddOrganization", json!({"name": "fleet"}))?,
        "organizationId",
    );
    let api = json!({"organizationId": organisation, "projectId": API_PROJECT, "name": "ZITADEL"});
    call(store, now, "CreateProject", api)?;
    let project = json!({"organizationId": organisation, "name": "fleet"});
    let project = text(&call(store, now, "CreateProject", project)?, "projectId");
    add_role(store, now, &project, DEVICE)?;
    let machine = json!({"name": "iam-admin", "accessTokenType": "ACCESS_TOKEN_TYPE_BEARER"});
    let admin =
        json!({"organizationId": organisation, "username": "iam-admin", "machine": machine});
    let admin = text(&call(store, now, "CreateUser", admin)?, "id");
    store
        .administrators
        .insert(admin.clone(), Administrator::Instance);
    let token = give_token(store, &admin, now)?;
    let key = make_key(store, now, &admin)?;
    let key = json!({
        "type": "serviceaccount", "keyId": key.key_id, "key": key.private_pem, "userId": admin,
    });
    Ok(First {
        organisation,
        project,
        admin_token: token,
        admin_key: key.to_string(),
    })
}

/// A call of the API by the test itself.
fn call(
    store: &mut Store,
    now: Timestamp,
    method: &str,
    request: Value,
) -> Result<Value, ApiError> {
    let known = CONNECT
        .iter()
        .find(|(path, _)| path.rsplit('/').next() == Some(method));
    let (_, operation) = known.ok_or(ApiError::not_found("Not Found"))?;
    operation(store, &Caller::Test, request, now)
}

fn text(answer: &Value, field: &str) -> String {
    let value = answer.get(field).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

fn add_role(store: &mut Store, now: Timestamp, project: &str, role: &str) -> Result<(), ApiError> {
    let request = json!({"projectId": project, "roleKey": role, "displayName": role});
    match call(store, now, "AddProjectRole", request) {
        Err(error) if error.code() == Code::AlreadyExists => Ok(()),
        other => other.map(drop),
    }
}

fn make_key(store: &mut Store, now: Timestamp, user: &str) -> Result<MachineKey, IdpError> {
    let (private_pem, public) = signing::private_key()?;
    let key_id = add_key(store, now, user, &public, None)?;
    Ok(MachineKey {
        user: user.to_owned(),
        key_id,
        private_pem,
    })
}

fn add_key(
    store: &mut Store,
    now: Timestamp,
    user: &str,
    public_pem: &str,
    expires: Option<Timestamp>,
) -> Result<String, ApiError> {
    use base64::Engine as _;
    let public = base64::engine::general_purpose::STANDARD.encode(public_pem);
    let expires = expires.map(|expires| expires.to_string());
    let request = json!({"userId": user, "publicKey": public, "expirationDate": expires});
    Ok(text(&call(store, now, "AddKey", request)?, "keyId"))
}

impl Idp {
    fn edit<T>(&self, edit: impl FnOnce(&mut Store, Timestamp) -> T) -> T {
        edit(
            &mut lock(&self.shared.state).store,
            self.shared.faults.now(),
        )
    }

    /// Calls a method of the API by its name, such as `DeactivateUser`, as the test itself.
    ///
    /// # Errors
    /// As the API says.
    pub fn call(&self, method: &str, request: Value) -> Result<Value, ApiError> {
        self.edit(|store, now| call(store, now, method, request))
    }

    /// Another organisation; its id.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn add_organisation(&self, name: &str) -> Result<String, ApiError> {
        let answer = self.call("AddOrganization", json!({"name": name}))?;
        Ok(text(&answer, "organizationId"))
    }

    /// Another project, in the first organisation; its id.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn add_project(&self, name: &str) -> Result<String, ApiError> {
        let request = json!({"organizationId": self.organisation, "name": name});
        Ok(text(&self.call("CreateProject", request)?, "projectId"))
    }

    /// A machine with JWT access tokens and these roles in the first project; its user id. Roles
    /// that are not there yet are added.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn machine_user(&self, name: &str, roles: &[&str]) -> Result<String, ApiError> {
        self.machine_user_in(&self.organisation, name, roles)
    }

    /// The same in another organisation, which also is where the roles are granted.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn machine_user_in(
        &self,
        organisation: &str,
        name: &str,
        roles: &[&str],
    ) -> Result<String, ApiError> {
        let machine = json!({"name": name, "accessTokenType": "ACCESS_TOKEN_TYPE_JWT"});
        let user = json!({"organizationId": organisation, "username": name, "machine": machine});
        let user = text(&self.call("CreateUser", user)?, "id");
        self.grant(&user, organisation, roles)?;
        Ok(user)
    }

    /// A machine with a key of its own, ready to log in.
    ///
    /// # Errors
    /// When the name is taken or no key can be made.
    pub fn machine(&self, name: &str, roles: &[&str]) -> Result<MachineKey, IdpError> {
        let user = self.machine_user(name, roles)?;
        self.make_key(&user)
    }

    /// A new key for a machine.
    ///
    /// # Errors
    /// When there is no such machine or no key can be made.
    pub fn make_key(&self, user: &str) -> Result<MachineKey, IdpError> {
        self.edit(|store, now| make_key(store, now, user))
    }

    /// Adds a public key (SPKI in PEM) that does not end; its id.
    ///
    /// # Errors
    /// As the API says.
    pub fn add_key(&self, user: &str, public_pem: &str) -> Result<String, ApiError> {
        self.edit(|store, now| add_key(store, now, user, public_pem, None))
    }

    /// The same for a key that ends after `lifetime`.
    ///
    /// # Errors
    /// As the API says.
    pub fn add_key_for(
        &self,
        user: &str,
        public_pem: &str,
        lifetime: Duration,
    ) -> Result<String, ApiError> {
        let lifetime = SignedDuration::try_from(lifetime).unwrap_or(SignedDuration::ZERO);
        self.edit(|store, now| add_key(store, now, user, public_pem, Some(now + lifetime)))
    }

    /// A person with these roles in the first project; the user id.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn person(&self, name: &str, roles: &[&str]) -> Result<String, ApiError> {
        let human = json!({"email": {"email": format!("{name}@idp.test")}});
        let user = json!({"organizationId": self.organisation, "username": name, "human": human});
        let user = text(&self.call("CreateUser", user)?, "id");
        self.grant(&user, &self.organisation, roles)?;
        Ok(user)
    }

    /// Gives a user of another organisation these roles of the first project there.
    ///
    /// # Errors
    /// As the API says.
    pub fn grant_in(&self, organisation: &str, user: &str, roles: &[&str]) -> Result<(), ApiError> {
        self.grant(user, organisation, roles)
    }

    /// A native application without a secret in the first project, for code flow, device flow and
    /// refresh tokens, that asserts roles and profile; its client id.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn native_application(
        &self,
        name: &str,
        redirect_uris: &[&str],
    ) -> Result<String, ApiError> {
        let configuration = json!({
            "redirectUris": redirect_uris,
            "responseTypes": ["OIDC_RESPONSE_TYPE_CODE"],
            "grantTypes": [
                "OIDC_GRANT_TYPE_AUTHORIZATION_CODE", "OIDC_GRANT_TYPE_REFRESH_TOKEN",
                "OIDC_GRANT_TYPE_DEVICE_CODE",
            ],
            "applicationType": "OIDC_APP_TYPE_NATIVE",
            "authMethodType": "OIDC_AUTH_METHOD_TYPE_NONE",
            "accessTokenType": "OIDC_TOKEN_TYPE_JWT",
            "accessTokenRoleAssertion": true,
            "idTokenRoleAssertion": true,
            "idTokenUserinfoAssertion": true,
        });
        let request = json!({
            "projectId": self.project, "name": name, "oidcConfiguration": configuration,
        });
        let answer = self.call("CreateApplication", request)?;
        let client = answer
            .pointer("/oidcConfiguration/clientId")
            .and_then(Value::as_str);
        Ok(client.unwrap_or_default().to_owned())
    }

    /// Makes somebody an administrator, and gives them a personal access token.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn make_administrator(&self, user: &str, role: Administrator) -> Result<String, ApiError> {
        self.edit(|store, now| {
            let token = give_token(store, user, now)?;
            store.administrators.insert(user.to_owned(), role);
            Ok(token)
        })
    }

    /// A personal access token, which is worth as much as its user.
    ///
    /// # Errors
    /// When there is no such user.
    pub fn personal_token(&self, user: &str) -> Result<String, ApiError> {
        self.edit(|store, now| give_token(store, user, now))
    }

    /// This person is at the browser: login pages send it on at once. `None`: nobody is.
    pub fn at_browser(&self, user: Option<&str>) {
        lock(&self.shared.state).settings.at_browser = user.map(str::to_owned);
    }

    /// Somebody approves a request of the device flow; whether there is one of that code.
    pub fn approve_device(&self, user_code: &str, user: &str) -> bool {
        let user = user.to_owned();
        self.decide_device(user_code, Decision::Approved { user })
    }

    /// Somebody denies one.
    pub fn deny_device(&self, user_code: &str) -> bool {
        self.decide_device(user_code, Decision::Denied)
    }

    fn decide_device(&self, user_code: &str, decision: Decision) -> bool {
        lock(&self.shared.state)
            .device_requests
            .decide(user_code, decision)
    }

    /// Straight into the store: here a project's roles may be granted in any organisation, as they
    /// may in Zitadel once the project was granted to it.
    fn grant(&self, user: &str, organisation: &str, roles: &[&str]) -> Result<(), ApiError> {
        self.edit(|store, now| {
            for role in roles {
                add_role(store, now, &self.project, role)?;
            }
            if roles.is_empty() {
                return Ok(());
            }
            let id = store.new_id();
            let authorization = Authorization {
                user: user.to_owned(),
                project: self.project.clone(),
                organisation: organisation.to_owned(),
                roles: roles.iter().map(ToString::to_string).collect(),
                active: true,
            };
            store.authorizations.insert(id, authorization);
            Ok(())
        })
    }
}

/// One without an end.
fn give_token(store: &mut Store, user: &str, now: Timestamp) -> Result<String, ApiError> {
    let request = json!({"userId": user, "expirationDate": "9999-12-01T00:00:00Z"});
    Ok(text(
        &call(store, now, "AddPersonalAccessToken", request)?,
        "token",
    ))
}
