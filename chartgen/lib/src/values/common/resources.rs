//! What a container may use.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

/// Resources of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What the scheduler sets aside. To take one of the defaults out, set it to `null`.
    pub requests: BTreeMap<String, Quantity>,
    /// What the container may use at most. To take one of the defaults out, set it to `null`.
    pub limits: BTreeMap<String, Quantity>,
}

impl Resources {
    /// Sets aside so much of a resource.
    #[must_use]
    pub fn request(mut self, resource: &str, amount: &str) -> Self {
        self.requests.insert(resource.to_owned(), amount.into());
        self
    }

    /// Allows so much of a resource.
    #[must_use]
    pub fn limit(mut self, resource: &str, amount: &str) -> Self {
        self.limits.insert(resource.to_owned(), amount.into());
        self
    }
}

/// An amount as Kubernetes writes it: `500m`, `128Mi`, `2`. Users may write plain numbers too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Quantity(pub String);

impl Default for Quantity {
    fn default() -> Self {
        Self("0".to_owned())
    }
}

impl From<&str> for Quantity {
    fn from(amount: &str) -> Self {
        Self(amount.to_owned())
    }
}

impl JsonSchema for Quantity {
    fn schema_name() -> Cow<'static, str> {
        "Quantity".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "minimum": 0,
            "pattern": r"^[0-9]+(\.[0-9]*)?([numkMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]+)?$",
        })
    }
}
