//! Service accounts and secrets.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Annotations, NAME_LENGTH, OBJECT_NAME};

/// The service account of the pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceAccount {
    /// Whether the chart creates the service account.
    pub create: bool,
    /// Name of the service account. Empty for a name made from that of the release or, if the chart
    /// creates none, for the namespace's `default`.
    #[schemars(regex(pattern = OBJECT_NAME), length(max = NAME_LENGTH))]
    pub name: String,
    /// Annotations of the service account, such as those that bind it to a role of a cloud.
    pub annotations: Annotations,
    /// Whether pods get a token for the API server.
    pub automount: bool,
}

impl Default for ServiceAccount {
    /// Created by the chart, without a token: a chart that talks to the API server asks for it.
    fn default() -> Self {
        Self {
            create: true,
            name: String::new(),
            annotations: Annotations::default(),
            automount: false,
        }
    }
}

/// One key of a Secret that the chart does not create.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExistingSecret {
    /// Name of a Secret in the namespace of the release. Empty for none.
    #[schemars(regex(pattern = OBJECT_NAME), length(max = NAME_LENGTH))]
    pub name: String,
    /// Key of the Secret that holds the value.
    #[schemars(regex(pattern = r"^[-._a-zA-Z0-9]+$"), length(max = NAME_LENGTH))]
    pub key: String,
}

impl ExistingSecret {
    /// No Secret yet; `key` is where the value is expected.
    pub fn with_key(key: impl Into<String>) -> Self {
        Self {
            name: String::new(),
            key: key.into(),
        }
    }
}

impl Default for ExistingSecret {
    fn default() -> Self {
        Self::with_key("value")
    }
}
