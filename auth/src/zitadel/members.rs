//! The calls about the enrolment service's own user: what it may do, and the tokens it has.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::connection::{Connection, IdpError};
use super::users::USERS;

const PERMISSIONS: &str = "zitadel.internal_permission.v2.InternalPermissionService";

/// A token that is there; what it is made of is never shown again.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FoundToken {
    pub(super) id: String,
    pub(super) expiration_date: Option<Timestamp>,
}

/// A token that was just made.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MadeToken {
    pub(super) token_id: String,
    pub(super) token: String,
}

impl Connection {
    /// Makes a machine user; its id.
    pub(super) async fn create_machine(
        &self,
        organisation: &str,
        name: &str,
    ) -> Result<String, IdpError> {
        #[derive(Deserialize)]
        struct Created {
            id: String,
        }
        let request = json!({
            "organizationId": organisation, "username": name,
            "machine": {"name": name, "accessTokenType": "ACCESS_TOKEN_TYPE_BEARER"},
        });
        let created: Created = self.call(USERS, "CreateUser", &request).await?;
        Ok(created.id)
    }

    /// What a user may do in the organisation; none if nobody has said so.
    pub(super) async fn roles_of(
        &self,
        organisation: &str,
        user: &str,
    ) -> Result<Option<Vec<String>>, IdpError> {
        #[derive(Deserialize)]
        struct Found {
            #[serde(default)]
            roles: Vec<String>,
        }
        let request = json!({"filters": [
            {"inUserIdsFilter": {"ids": [user]}},
            {"resource": {"organizationId": organisation}},
        ]});
        let found = self.list::<Found>(PERMISSIONS, "ListAdministrators", &request);
        Ok(found.await?.into_iter().next().map(|a| a.roles))
    }

    /// Lets a user do something in the organisation.
    pub(super) async fn grant_role(
        &self,
        organisation: &str,
        user: &str,
        role: &str,
    ) -> Result<(), IdpError> {
        let request = member(organisation, user, &[role]);
        self.make(PERMISSIONS, "CreateAdministrator", &request)
            .await
    }

    /// Lets a user do these things there and no others.
    pub(super) async fn set_roles(
        &self,
        organisation: &str,
        user: &str,
        roles: &[&str],
    ) -> Result<(), IdpError> {
        let request = member(organisation, user, roles);
        self.make(PERMISSIONS, "UpdateAdministrator", &request)
            .await
    }

    /// The tokens of a user.
    pub(super) async fn tokens(&self, user: &str) -> Result<Vec<FoundToken>, IdpError> {
        let request = json!({"filters": [{"userIdFilter": {"id": user}}]});
        self.list(USERS, "ListPersonalAccessTokens", &request).await
    }

    /// Makes a token, which is in this answer and in no other.
    pub(super) async fn add_token(
        &self,
        user: &str,
        expires: Timestamp,
    ) -> Result<MadeToken, IdpError> {
        let request = json!({"userId": user, "expirationDate": expires.to_string()});
        self.call(USERS, "AddPersonalAccessToken", &request).await
    }

    /// Takes a token back; one that is gone is as good as taken back.
    pub(super) async fn remove_token(&self, user: &str, token: &str) -> Result<(), IdpError> {
        let request = json!({"userId": user, "tokenId": token});
        self.make(USERS, "RemovePersonalAccessToken", &request)
            .await
    }
}

fn member(organisation: &str, user: &str, roles: &[&str]) -> Value {
    json!({"userId": user, "resource": {"organizationId": organisation}, "roles": roles})
}
