//! From rules to Lua.

use std::fmt::Write as _;

use fleet_api::GROUP;

use super::rules::{Rule, rules};
use crate::manifests::MARK;

/// What every script does with its rules.
const JUDGE: &str = include_str!("judge.lua");

/// The health of an application as Argo CD has found it. Argo CD leaves that out by itself, and then a
/// parent is healthy before its children are there: waves of applications would wait for nothing.
const APPLICATION: &str = include_str!("application.lua");

/// A kind of ours that has a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What to run, and where.
    Deployment,
    /// A member of the fleet.
    Device,
    /// A device that asks to be one.
    DeviceEnrolment,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Deployment, Self::Device, Self::DeviceEnrolment];

    /// As the API server has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deployment => "Deployment",
            Self::Device => "Device",
            Self::DeviceEnrolment => "DeviceEnrolment",
        }
    }

    /// Under which key of Argo CD's `ConfigMap` its script lies.
    pub fn key(self) -> String {
        format!("resource.customizations.health.{GROUP}_{}", self.as_str())
    }

    /// The script.
    pub fn script(self) -> String {
        let mut text = format!("-- {MARK}\n");
        text.push_str("local rules = {\n");
        for rule in rules(self) {
            let _ = writeln!(text, "  {},", row(&rule));
        }
        text.push_str("}\n\n");
        text.push_str(JUDGE);
        text
    }
}

/// The key and the script for applications of applications.
pub fn application_script() -> (String, String) {
    let key = "resource.customizations.health.argoproj.io_Application".to_owned();
    (key, format!("-- {MARK}\n{APPLICATION}"))
}

/// A rule as a table. Types, states and reasons are words of letters, which need no escapes.
fn row(rule: &Rule) -> String {
    let mut row = format!(
        "{{type = \"{}\", status = \"{}\", health = \"{}\"",
        rule.condition,
        rule.truth.as_str(),
        rule.health.as_str()
    );
    if !rule.reasons.is_empty() {
        let reasons: Vec<_> = rule.reasons.iter().map(|r| format!("{r} = true")).collect();
        let _ = write!(row, ", reasons = {{{}}}", reasons.join(", "));
    }
    row.push('}');
    row
}
