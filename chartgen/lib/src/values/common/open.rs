//! Values that a chart hands on as they are.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value};

/// An object whose form the chart leaves to Kubernetes: `affinity`, `nodeSelector`, a pod's
/// `securityContext`. The API server checks it.
///
/// A field whose Rust type is that of somebody else, such as one of k8s-openapi, becomes the same
/// with `#[schemars(with = "FreeForm")]`: checked in Rust, open to users.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FreeForm(pub Map<String, Value>);

impl JsonSchema for FreeForm {
    fn schema_name() -> Cow<'static, str> {
        "FreeForm".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object"})
    }
}

/// A list of such objects: `tolerations`, `topologySpreadConstraints`, further containers, volumes
/// or variables.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct FreeFormList(pub Vec<Map<String, Value>>);

impl JsonSchema for FreeFormList {
    fn schema_name() -> Cow<'static, str> {
        "FreeFormList".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "array", "items": {"type": "object"}})
    }
}

/// A whole number or a string, such as a port by number or name, or a count or percentage.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A whole number.
    Int(i32),
    /// A string.
    Str(String),
}

impl Default for IntOrString {
    fn default() -> Self {
        Self::Int(0)
    }
}

impl JsonSchema for IntOrString {
    fn schema_name() -> Cow<'static, str> {
        "IntOrString".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": i32::MIN,
            "maximum": i32::MAX,
        })
    }
}
