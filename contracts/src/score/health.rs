//! Health checks.

use serde::{Deserialize, Serialize};

/// How to tell that a service works, not merely runs. Exactly one of `command` and `http`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.command) != has(self.http)", "message": "exactly one of command and http must be set"}
])))]
#[serde(rename_all = "camelCase")]
pub struct HealthCheck {
    /// Run in the container; healthy when it exits with 0.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(
        feature = "schema",
        schemars(length(min = 1, max = 64), inner(length(max = 4096)))
    )]
    pub command: Vec<String>,
    /// An HTTP GET; healthy when the answer's status is 200 to 399.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpProbe>,
    /// Seconds between checks. Default 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 3600)))]
    pub interval_seconds: Option<u32>,
    /// Seconds one check may take. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 600)))]
    pub timeout_seconds: Option<u32>,
    /// Failures in a row that make it unhealthy. Default 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 100)))]
    pub retries: Option<u32>,
    /// Seconds after the start in which failures do not count. Default 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(range(min = 0, max = 3600)))]
    pub start_period_seconds: Option<u32>,
}

impl HealthCheck {
    /// Seconds between checks.
    pub fn interval(&self) -> u32 {
        self.interval_seconds.unwrap_or(10)
    }

    /// Seconds one check may take.
    pub fn timeout(&self) -> u32 {
        self.timeout_seconds.unwrap_or(5)
    }

    /// Failures in a row that make it unhealthy.
    pub fn retries(&self) -> u32 {
        self.retries.unwrap_or(3)
    }

    /// Seconds after the start in which failures do not count.
    pub fn start_period(&self) -> u32 {
        self.start_period_seconds.unwrap_or(0)
    }
}

/// An HTTP GET to the container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct HttpProbe {
    /// The port in the container. Under rootless podman it must also be a published one.
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 65535)))]
    pub port: u16,
    /// The path. Default `/`.
    #[serde(default = "root_path", skip_serializing_if = "is_root_path")]
    #[cfg_attr(
        feature = "schema",
        schemars(regex(pattern = "^/[!-~]*$"), length(max = 1024))
    )]
    pub path: String,
}

fn root_path() -> String {
    "/".into()
}

fn is_root_path(path: &str) -> bool {
    path == "/"
}
