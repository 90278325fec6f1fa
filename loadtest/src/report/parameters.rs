//! What a run was asked for.

use std::fmt;

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

/// What is done to the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Scenario {
    /// Every device reports, again and again.
    Churn,
    /// A Deployment for everyone is made, changed and deleted.
    Fanout,
    /// The operator starts on a full fleet.
    Cold,
    /// Nothing happens but signs of life.
    Idle,
    /// The bus is away for that long, and everybody comes back.
    Storm,
    /// Deployments for groups of very different size are made, changed and deleted while devices report.
    Many,
    /// Devices change their labels, and so what they run.
    Labels,
    /// All of it at low rates, with operators that restart and connections that break, to find leaks.
    Mixed,
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Churn => "churn",
            Self::Fanout => "fanout",
            Self::Cold => "cold",
            Self::Idle => "idle",
            Self::Storm => "storm",
            Self::Many => "many",
            Self::Labels => "labels",
            Self::Mixed => "mixed",
        })
    }
}

/// How devices are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Connections {
    /// A few connections speak for all devices, as a user that only a test bed has.
    Multiplexed,
    /// One for each device, with the permissions of that device.
    Each,
}

/// How devices log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Credentials {
    /// With nkeys that the server knows.
    Static,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Parameters {
    /// What is done.
    pub scenario: Scenario,
    /// How many devices there are.
    pub devices: usize,
    /// How many Deployments there are.
    pub deployments: usize,
    /// For how long it is done.
    pub seconds: u64,
    /// How devices are connected.
    pub connections: Connections,
    /// How devices log in.
    pub credentials: Credentials,
    /// What the fleet is drawn from.
    pub seed: u64,
    /// Reports of each device in a second; none: as many as are acknowledged.
    pub hertz: Option<f64>,
    /// A device that keeps its last report to itself, to see that the checks find out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withheld: Option<String>,
    /// Deployments written in a second, where a scenario writes any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<f64>,
    /// Devices that change their labels in a second, where any do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moves: Option<f64>,
}
