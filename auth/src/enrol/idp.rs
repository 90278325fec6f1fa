//! The calls of Zitadel's API that an enrolment needs: Connect RPC, JSON over POST.
//!
//! `already_exists` is as good as done. Other refusals are final until somebody changes something;
//! what does not answer is tried again.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use fleet_auth_core::enrol::plan::{Granted, User};
use fleet_contracts::enrolment::DevicePublicKey;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::answers::{AddedKey, Entry, Id, Listed, ListedGrant, ListedUser, Problem};
use super::args::IdpArgs;
use crate::jwks::{SourceError, tls};

/// The largest answer that is read.
const MAX_ANSWER: usize = 256 << 10;
/// One call.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The metadata that says which device a user is.
const DEVICE_ID: &str = "device-id";
/// Before the device id in a user's name: a device that calls itself as an administrator does must
/// not get that administrator's user.
const PREFIX: &str = "fleet-device-";

const USERS: &str = "zitadel.user.v2.UserService";
const AUTHORIZATIONS: &str = "zitadel.authorization.v2.AuthorizationService";

/// What the identity provider did not do.
#[derive(Debug, thiserror::Error)]
pub enum IdpError {
    /// The token file.
    #[error("failed to read the token for the identity provider from {path}")]
    TokenFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The token cannot be sent.
    #[error("the token for the identity provider has characters that no token has")]
    Token,
    /// No answer in time.
    #[error("{0}: the identity provider did not answer in time")]
    Timeout(&'static str),
    /// No connection, or it broke.
    #[error("{call}: the identity provider cannot be reached")]
    Unreachable {
        /// The call.
        call: &'static str,
        /// What happened.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It refused.
    #[error("{call}: the identity provider answered {status}: {message}")]
    Refused {
        /// The call.
        call: &'static str,
        /// The answer.
        status: StatusCode,
        /// What it said.
        message: String,
    },
    /// It answered something else.
    #[error("{0}: the identity provider's answer is not understood")]
    Malformed(&'static str),
}

/// The identity provider.
pub struct Idp {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
    args: IdpArgs,
    host: Option<HeaderValue>,
}

impl std::fmt::Debug for Idp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idp")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

impl Idp {
    /// Asks nobody yet.
    pub fn new(args: &IdpArgs) -> Result<Self, SourceError> {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls(args.oidc_ca_file.as_deref())?)
            .https_or_http()
            .enable_http1()
            .build();
        let host = args.idp_host.as_deref().map(|host| {
            HeaderValue::from_str(host).map_err(|_| SourceError::Host(host.to_owned()))
        });
        let base = args.idp_url.as_deref().unwrap_or(&args.oidc_issuer);
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            base: base.trim_end_matches('/').to_owned(),
            host: host.transpose()?,
            args: args.clone(),
        })
    }

    /// The user of a device.
    pub async fn user(&self, device: &str) -> Result<Option<User>, IdpError> {
        let username = username(device);
        let found: Listed<ListedUser> = self
            .call(
                USERS,
                "ListUsers",
                &json!({"queries": [
                    {"organizationIdQuery": {"organizationId": self.args.oidc_organisation}},
                    {"userNameQuery": {"userName": username, "method": "TEXT_QUERY_METHOD_EQUALS"}},
                ]}),
            )
            .await?;
        let Some(user) = found.result.into_iter().find(|u| u.username == username) else {
            return Ok(None);
        };
        let metadata: Listed<Entry> = self
            .call(USERS, "ListUserMetadata", &json!({"userId": user.user_id}))
            .await?;
        let named = metadata
            .result
            .into_iter()
            .find(|entry| entry.key == DEVICE_ID);
        let text = |entry: Entry| {
            String::from_utf8_lossy(&STANDARD.decode(entry.value).unwrap_or_default()).into_owned()
        };
        Ok(Some(User {
            id: user.user_id,
            has_jwt: user
                .machine
                .is_some_and(|m| m.access_token_type == "ACCESS_TOKEN_TYPE_JWT"),
            is_active: user.state == "USER_STATE_ACTIVE",
            device: named.map(text),
        }))
    }

    /// Makes the user of a device.
    pub async fn create_user(&self, device: &str) -> Result<(), IdpError> {
        let username = username(device);
        let request = json!({
            "organizationId": self.args.oidc_organisation,
            "username": username,
            "machine": {"name": username, "accessTokenType": "ACCESS_TOKEN_TYPE_JWT"},
        });
        self.make(USERS, "CreateUser", &request).await
    }

    /// Says which device a user is.
    pub async fn set_device(&self, user: &str, device: &str) -> Result<(), IdpError> {
        let value = STANDARD.encode(device);
        let request = json!({"userId": user, "metadata": [{"key": DEVICE_ID, "value": value}]});
        self.make(USERS, "SetUserMetadata", &request).await
    }

    /// Lets a user log in, or not.
    pub async fn set_active(&self, user: &str, active: Activity) -> Result<(), IdpError> {
        let method = match active {
            Activity::Active => "ReactivateUser",
            Activity::Inactive => "DeactivateUser",
        };
        self.make(USERS, method, &json!({"userId": user})).await
    }

    /// The ids of a user's keys.
    pub async fn keys(&self, user: &str) -> Result<Vec<String>, IdpError> {
        let request = json!({"filters": [{"userIdFilter": {"id": user}}]});
        let found: Listed<Id> = self.call(USERS, "ListKeys", &request).await?;
        Ok(found.result.into_iter().map(|key| key.id).collect())
    }

    /// Adds a key; its id.
    pub async fn add_key(
        &self,
        user: &str,
        key: &DevicePublicKey,
        expires: Timestamp,
    ) -> Result<String, IdpError> {
        let request = json!({
            "userId": user,
            "publicKey": STANDARD.encode(key.to_string()),
            "expirationDate": expires.to_string(),
        });
        let added: AddedKey = self.call(USERS, "AddKey", &request).await?;
        Ok(added.key_id)
    }

    /// Removes a key; one that is gone is as good as removed.
    pub async fn remove_key(&self, user: &str, key: &str) -> Result<(), IdpError> {
        let request = json!({"userId": user, "keyId": key});
        self.make(USERS, "RemoveKey", &request).await
    }

    /// A user's roles in the fleet's project.
    pub async fn grant_of(&self, user: &str) -> Result<Option<Granted>, IdpError> {
        let request = json!({"filters": [
            {"userId": {"id": user}},
            {"projectId": {"id": self.args.oidc_project}},
            {"organizationId": {"id": self.args.oidc_organisation}},
        ]});
        let found: Listed<ListedGrant> = self
            .call(AUTHORIZATIONS, "ListAuthorizations", &request)
            .await?;
        Ok(found.result.into_iter().next().map(|grant| Granted {
            has_role: grant
                .roles
                .iter()
                .any(|role| role.key == self.args.oidc_role),
            is_active: grant.state == "STATE_ACTIVE",
            id: grant.id,
        }))
    }

    /// Grants the role that makes a device.
    pub async fn grant(&self, user: &str) -> Result<(), IdpError> {
        let request = json!({
            "userId": user,
            "projectId": self.args.oidc_project,
            "organizationId": self.args.oidc_organisation,
            "roleKeys": [self.args.oidc_role],
        });
        self.make(AUTHORIZATIONS, "CreateAuthorization", &request)
            .await
    }

    /// Makes the role the one of a grant.
    pub async fn set_role(&self, grant: &str) -> Result<(), IdpError> {
        let request = json!({"id": grant, "roleKeys": [self.args.oidc_role]});
        self.make(AUTHORIZATIONS, "UpdateAuthorization", &request)
            .await
    }

    /// Makes a grant count again.
    pub async fn activate_grant(&self, grant: &str) -> Result<(), IdpError> {
        let request = json!({"id": grant});
        self.make(AUTHORIZATIONS, "ActivateAuthorization", &request)
            .await
    }

    /// A call whose answer says nothing; what is there already is as good as made.
    async fn make(
        &self,
        service: &str,
        call: &'static str,
        request: &Value,
    ) -> Result<(), IdpError> {
        match self.call::<Value>(service, call, request).await {
            Err(IdpError::Refused {
                status: StatusCode::CONFLICT,
                ..
            }) => Ok(()),
            other => other.map(drop),
        }
    }

    async fn call<T: DeserializeOwned>(
        &self,
        service: &str,
        call: &'static str,
        request: &Value,
    ) -> Result<T, IdpError> {
        let answered = tokio::time::timeout(TIMEOUT, self.exchange(service, call, request)).await;
        let (status, body) = answered.map_err(|_| IdpError::Timeout(call))??;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| IdpError::Malformed(call));
        }
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        let message = problem.map(|p| format!("{} {}", p.code, p.message));
        let message = message.unwrap_or_default().chars().take(200).collect();
        Err(IdpError::Refused {
            call,
            status,
            message,
        })
    }

    async fn exchange(
        &self,
        service: &str,
        call: &'static str,
        request: &Value,
    ) -> Result<(StatusCode, Bytes), IdpError> {
        let unreachable = |source| IdpError::Unreachable { call, source };
        let mut http = Request::post(format!("{}/{service}/{call}", self.base))
            .header(CONTENT_TYPE, "application/json")
            .header(AUTHORIZATION, self.bearer()?);
        if let Some(host) = &self.host {
            http = http.header(HOST, host);
        }
        let body = Full::new(Bytes::from(request.to_string()));
        let http = http.body(body).map_err(|e| unreachable(e.into()))?;
        let answer = self
            .client
            .request(http)
            .await
            .map_err(|e| unreachable(e.into()))?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        Ok((status, body.map_err(unreachable)?.to_bytes()))
    }

    fn bearer(&self) -> Result<HeaderValue, IdpError> {
        let path = &self.args.idp_token_file;
        let token = std::fs::read_to_string(path).map_err(|source| IdpError::TokenFile {
            path: path.clone(),
            source,
        })?;
        let value = HeaderValue::from_str(&format!("Bearer {}", token.trim()));
        let mut value = value.map_err(|_| IdpError::Token)?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Whether a user may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activity {
    /// It may.
    Active,
    /// It may not.
    Inactive,
}

fn username(device: &str) -> String {
    format!("{PREFIX}{device}")
}
