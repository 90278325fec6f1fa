//! The calls of Zitadel's API that an enrolment needs.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fleet_auth_core::enrol::plan::{Granted, User};
use fleet_contracts::enrolment::DevicePublicKey;
use jiff::Timestamp;
use serde_json::json;

use super::answers::{AddedKey, Entry, Id, ListedGrant};
use super::args::IdpArgs;
use crate::jwks::SourceError;
use crate::zitadel::{Connection, USERS};

pub use crate::zitadel::IdpError;

/// The metadata that says which device a user is.
const DEVICE_ID: &str = "device-id";
/// Before the device id in a user's name: a device that calls itself as an administrator does must
/// not get that administrator's user.
const PREFIX: &str = "fleet-device-";

const AUTHORIZATIONS: &str = "zitadel.authorization.v2.AuthorizationService";

/// The identity provider.
#[derive(Debug)]
pub struct Idp {
    connection: Connection,
    args: IdpArgs,
}

impl Idp {
    /// Asks nobody yet.
    pub fn new(args: &IdpArgs) -> Result<Self, SourceError> {
        Ok(Self {
            connection: Connection::new(&args.connection)?,
            args: args.clone(),
        })
    }

    /// The user of a device.
    pub async fn user(&self, device: &str) -> Result<Option<User>, IdpError> {
        let username = username(device);
        let organisation = &self.args.oidc_organisation;
        let Some(user) = self.connection.user(organisation, &username).await? else {
            return Ok(None);
        };
        let request = json!({"userId": user.user_id});
        let metadata = self.connection.list(USERS, "ListUserMetadata", &request);
        let mut metadata = metadata.await?.into_iter();
        let named = metadata.find(|entry: &Entry| entry.key == DEVICE_ID);
        let text = |entry: Entry| {
            String::from_utf8_lossy(&STANDARD.decode(entry.value).unwrap_or_default()).into_owned()
        };
        Ok(Some(User {
            has_jwt: user.has_jwt(),
            is_active: user.is_active(),
            id: user.user_id,
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
        self.connection.make(USERS, "CreateUser", &request).await
    }

    /// Says which device a user is.
    pub async fn set_device(&self, user: &str, device: &str) -> Result<(), IdpError> {
        let value = STANDARD.encode(device);
        let request = json!({"userId": user, "metadata": [{"key": DEVICE_ID, "value": value}]});
        self.connection
            .make(USERS, "SetUserMetadata", &request)
            .await
    }

    /// Lets a user log in, or not.
    pub async fn set_active(&self, user: &str, active: Activity) -> Result<(), IdpError> {
        let method = match active {
            Activity::Active => "ReactivateUser",
            Activity::Inactive => "DeactivateUser",
        };
        self.connection
            .make(USERS, method, &json!({"userId": user}))
            .await
    }

    /// The ids of a user's keys.
    pub async fn keys(&self, user: &str) -> Result<Vec<String>, IdpError> {
        let request = json!({"filters": [{"userIdFilter": {"id": user}}]});
        let found = self.connection.list::<Id>(USERS, "ListKeys", &request);
        Ok(found.await?.into_iter().map(|key| key.id).collect())
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
        let added: AddedKey = self.connection.call(USERS, "AddKey", &request).await?;
        Ok(added.key_id)
    }

    /// Removes a key; one that is gone is as good as removed.
    pub async fn remove_key(&self, user: &str, key: &str) -> Result<(), IdpError> {
        let request = json!({"userId": user, "keyId": key});
        self.connection.make(USERS, "RemoveKey", &request).await
    }

    /// A user's roles in the fleet's project.
    pub async fn grant_of(&self, user: &str) -> Result<Option<Granted>, IdpError> {
        let request = json!({"filters": [
            {"userId": {"id": user}},
            {"projectId": {"id": self.args.oidc_project}},
            {"organizationId": {"id": self.args.oidc_organisation}},
        ]});
        let connection = &self.connection;
        let found = connection.list::<ListedGrant>(AUTHORIZATIONS, "ListAuthorizations", &request);
        Ok(found.await?.into_iter().next().map(|grant| Granted {
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
        self.connection
            .make(AUTHORIZATIONS, "CreateAuthorization", &request)
            .await
    }

    /// Makes the role the one of a grant.
    pub async fn set_role(&self, grant: &str) -> Result<(), IdpError> {
        let request = json!({"id": grant, "roleKeys": [self.args.oidc_role]});
        self.connection
            .make(AUTHORIZATIONS, "UpdateAuthorization", &request)
            .await
    }

    /// Makes a grant count again.
    pub async fn activate_grant(&self, grant: &str) -> Result<(), IdpError> {
        let request = json!({"id": grant});
        self.connection
            .make(AUTHORIZATIONS, "ActivateAuthorization", &request)
            .await
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
