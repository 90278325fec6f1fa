//! JSON Patch (RFC 6902), as far as presets use it.

use serde::Serialize;
use serde_json::Value;

/// A change to an object of another chart.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Operation {
    op: &'static str,
    path: String,
    value: Value,
}

impl Operation {
    /// Adds a value; at the end of a list where the path ends with `-`.
    pub(super) fn add(path: &str, value: impl Serialize) -> Self {
        Self {
            op: "add",
            path: path.to_owned(),
            // Objects of Kubernetes always become JSON.
            value: serde_json::to_value(value).unwrap_or_default(),
        }
    }
}
