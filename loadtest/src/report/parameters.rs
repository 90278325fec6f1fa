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
    /// Who leads dies, again and again, while the fleet reports.
    Failover,
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
            Self::Failover => "failover",
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
    /// With a token of its own for each device, about which the server asks the auth callout.
    Callout,
}

/// Whom a failover takes the lead from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Kill {
    /// The operator that leads: killed in one round, stopped in the next.
    Operator,
    /// The server of the bus that leads `desired-state`, of three.
    Nats,
}

/// Reports of each device in a second, if nothing else is asked for.
pub const HERTZ: f64 = 1.0;
/// Writes of Deployments in a second, unless asked otherwise.
pub const CHANGES: f64 = 2.0;
/// Devices that change their labels in a second, unless asked otherwise.
pub const MOVES: f64 = 10.0;

/// What reports have that were written before there was a choice.
const fn one() -> usize {
    1
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
    /// How many servers the bus has, and copies each of its streams.
    #[serde(default = "one")]
    pub nats: usize,
    /// How many operators there are.
    #[serde(default = "one")]
    pub operators: usize,
    /// Whom a failover takes the lead from, in turn.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kill: Vec<Kill>,
}

impl Parameters {
    /// What to type to have it again.
    pub fn command(&self) -> String {
        let (scenario, devices, deployments) = (self.scenario, self.devices, self.deployments);
        let (seconds, seed) = (self.seconds, self.seed);
        let options = self.options().into_iter();
        let options: Vec<_> = options.map(|(n, v)| format!(" --{n} {v}")).collect();
        let options = options.concat();
        format!(
            "fleet-loadtest run {scenario} --devices {devices} --deployments {deployments} \
             --seconds {seconds} --seed {seed}{options}"
        )
    }

    /// The options that differ from what a run has that asks for none, after those of its size.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = Vec::new();
        let rates = [
            ("hertz", self.hertz, HERTZ),
            ("changes", self.changes, CHANGES),
            ("moves", self.moves, MOVES),
        ];
        for (name, asked, usual) in rates {
            if let Some(asked) = asked.filter(|asked| (asked - usual).abs() > f64::EPSILON) {
                options.push((name, asked.to_string()));
            }
        }
        if self.connections == Connections::Each {
            options.push(("connections", name(&self.connections)));
        }
        if self.credentials == Credentials::Callout {
            options.push(("credentials", name(&self.credentials)));
        }
        if self.nats != 1 {
            options.push(("nats", self.nats.to_string()));
        }
        if self.operators != 1 {
            options.push(("operators", self.operators.to_string()));
        }
        if !self.kill.is_empty() {
            let names: Vec<_> = self.kill.iter().map(name).collect();
            options.push(("kill", names.join(",")));
        }
        options
    }
}

/// As on the command line.
fn name(value: &impl ValueEnum) -> String {
    let value = value.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}
