//! Calls that answer with a list.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::connection::{Connection, IdpError};

/// A list under the name that its call gives it; absent when empty, as protobuf's JSON has it.
#[derive(Deserialize)]
struct Listed<T> {
    #[serde(
        default = "Vec::new",
        alias = "administrators",
        alias = "applications",
        alias = "authorizations",
        alias = "metadata",
        alias = "projectRoles",
        alias = "projects"
    )]
    result: Vec<T>,
}

impl Connection {
    /// A call whose answer is a list.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        service: &str,
        call: &'static str,
        request: &Value,
    ) -> Result<Vec<T>, IdpError> {
        let listed: Listed<T> = self.call(service, call, request).await?;
        Ok(listed.result)
    }
}
