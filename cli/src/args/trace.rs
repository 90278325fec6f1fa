//! `fleet trace`.

use std::str::FromStr;

use clap::{Args, ValueEnum};
use fleet_contracts::DeviceId;
use fleet_contracts::id::DeploymentName;

use super::DEFAULT_NAMESPACE;

pub(super) const EXAMPLES: &str = "Examples:
  # Does pi-7 run what web says now, and if not, why not?
  fleet trace web pi-7 -n shop

  # Where the operator has another name
  fleet trace web pi-7 --operator platform/my-operator

  # For scripts: .verdict is Applied where the device runs it
  fleet trace web pi-7 -o json

The operator is asked through the API server, as `kubectl get --raw` would ask it.
Exit codes: 0 there is an answer, whatever it says; 1 there is none.";

/// `fleet trace`.
#[derive(Debug, Args)]
pub struct TraceArgs {
    /// The Deployment
    #[arg(value_name = "DEPLOYMENT")]
    pub deployment: DeploymentName,
    /// The device
    #[arg(value_name = "DEVICE")]
    pub device: DeviceId,
    /// The operator: namespace and name of its Deployment
    #[arg(long, value_name = "NAMESPACE/NAME", default_value_t)]
    pub operator: OperatorPlace,
    /// How to print the answer
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub output: TraceFormat,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TraceFormat {
    /// For people
    Text,
    /// For programs
    Json,
}

/// Where the operator is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorPlace {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Default for OperatorPlace {
    /// Where the chart of the platform puts it.
    fn default() -> Self {
        Self {
            namespace: DEFAULT_NAMESPACE.to_owned(),
            name: "fleet-operator".to_owned(),
        }
    }
}

impl std::fmt::Display for OperatorPlace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// Not a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("say NAMESPACE/NAME, such as {DEFAULT_NAMESPACE}/fleet-operator")]
pub struct NoPlace;

impl FromStr for OperatorPlace {
    type Err = NoPlace;

    fn from_str(given: &str) -> Result<Self, NoPlace> {
        let (namespace, name) = given.split_once('/').ok_or(NoPlace)?;
        let is_name = |text: &str| {
            let allowed =
                |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-.".contains(c);
            !text.is_empty() && text.chars().all(allowed)
        };
        if !is_name(namespace) || !is_name(name) {
            return Err(NoPlace);
        }
        Ok(Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })
    }
}
