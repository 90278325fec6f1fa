//! A part of somebody else's chart.

use schemars::JsonSchema;
use serde::Serialize;

/// Something that a chart of somebody else adds or leaves out.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[schemars(extend("additionalProperties" = true))]
pub struct Part {
    /// Install it.
    pub enabled: bool,
}
