//! Probes and switches.

use schemars::JsonSchema;
use serde::Serialize;

/// How often and how patiently a container is asked for its health. What is asked is the chart's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Probe {
    /// Seconds from the start of the container to the first probe.
    pub initial_delay_seconds: u16,
    /// Seconds from one probe to the next.
    #[schemars(range(min = 1))]
    pub period_seconds: u16,
    /// Seconds after which a probe without an answer has failed.
    #[schemars(range(min = 1))]
    pub timeout_seconds: u16,
    /// How many probes in a row must fail.
    #[schemars(range(min = 1))]
    pub failure_threshold: u16,
}

impl Default for Probe {
    /// What Kubernetes does if nothing is said.
    fn default() -> Self {
        Self {
            initial_delay_seconds: 0,
            period_seconds: 10,
            timeout_seconds: 1,
            failure_threshold: 3,
        }
    }
}

/// Something the chart adds or leaves out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Toggle {
    /// Whether the chart adds it.
    pub enabled: bool,
}
