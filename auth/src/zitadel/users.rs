//! Users, found by name.

use serde::Deserialize;
use serde_json::json;

use super::connection::{Connection, IdpError};

/// The service that users, their keys and their tokens are of.
pub(crate) const USERS: &str = "zitadel.user.v2.UserService";

/// A user that is there.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FoundUser {
    pub(crate) user_id: String,
    username: String,
    #[serde(default)]
    state: String,
    machine: Option<Machine>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Machine {
    #[serde(default)]
    access_token_type: String,
}

impl FoundUser {
    /// Whether it is one for a program.
    pub(crate) const fn is_machine(&self) -> bool {
        self.machine.is_some()
    }

    /// Whether it is one whose tokens can be judged without asking the provider.
    pub(crate) fn has_jwt(&self) -> bool {
        let machine = self.machine.as_ref();
        machine.is_some_and(|machine| machine.access_token_type == "ACCESS_TOKEN_TYPE_JWT")
    }

    /// Whether it may log in.
    pub(crate) fn is_active(&self) -> bool {
        self.state == "USER_STATE_ACTIVE"
    }
}

impl Connection {
    /// The organisation's user of this name.
    pub(crate) async fn user(
        &self,
        organisation: &str,
        name: &str,
    ) -> Result<Option<FoundUser>, IdpError> {
        let request = json!({"queries": [
            {"organizationIdQuery": {"organizationId": organisation}},
            {"userNameQuery": {"userName": name, "method": "TEXT_QUERY_METHOD_EQUALS"}},
        ]});
        let found: Vec<FoundUser> = self.list(USERS, "ListUsers", &request).await?;
        Ok(found.into_iter().find(|user| user.username == name))
    }
}
