use serde::Deserialize;

use super::command::{Command, Output};
use super::ensured::EnsureError;
use super::unit::Unit;

/// What the agent says when it has its connection, and when it has lost it.
const CONNECTED: &str = "connected to the bus";
const DISCONNECTED: &str = "disconnected from the bus";
/// Lines of the journal that are looked at: more than an agent writes while it starts.
const LINES: &str = "200";

/// How the agent of a device is, as its service manager and its journal say.
///
/// Each start of a unit has an id of its own, which is on each line that it writes: what was said before a
/// restart does not count for what is there after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentLife {
    /// Which start that is; empty where it was never started.
    pub invocation: String,
    /// What it does.
    pub state: AgentState,
}

/// What the agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentState {
    /// It does not run, and nobody starts it.
    Stopped,
    /// It ended by itself, and will be started again.
    Failing,
    /// It runs, and has not said that the bus let it in.
    Running,
    /// It runs, and the bus let it in.
    Connected,
}

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "_SYSTEMD_INVOCATION_ID")]
    invocation: Option<String>,
    /// Bytes that are no text come as an array of numbers.
    #[serde(rename = "MESSAGE")]
    message: Option<serde_json::Value>,
}

impl AgentLife {
    /// How to look.
    pub fn looks(unit: &Unit) -> [Command; 2] {
        let properties = "--property=InvocationID,ActiveState,SubState";
        let unit = unit.name.as_str();
        let fields = "--output-fields=MESSAGE,_SYSTEMD_INVOCATION_ID";
        let journal = ["--unit", unit, "--lines", LINES, "--no-pager"];
        let journal = journal.into_iter().chain(["--output", "json", fields]);
        [
            Command::look("systemctl", ["show", properties, unit]).as_root(),
            // 1 where nobody has written anything yet.
            Command::look("journalctl", journal)
                .as_root()
                .accepting(&[0, 1]),
        ]
    }

    /// How it is, by the answers to these.
    ///
    /// # Errors
    /// When the service manager does not say.
    pub fn of(shown: &Output, journal: &Output) -> Result<Self, EnsureError> {
        let text = shown.text();
        let value = |key: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.find(|(name, _)| *name == key).map(|(_, value)| value)
        };
        let (Some(active), Some(sub)) = (value("ActiveState"), value("SubState")) else {
            return Err(EnsureError::unexpected("systemctl show", shown));
        };
        let invocation = value("InvocationID").unwrap_or_default().to_owned();
        let state = match (active, sub) {
            ("active" | "reloading", _) if is_connected(&journal.text(), &invocation) => {
                AgentState::Connected
            }
            // Between two attempts; while one is made it is `activating` without this.
            ("activating", "auto-restart" | "auto-restart-queued") | ("failed", _) => {
                AgentState::Failing
            }
            ("active" | "reloading" | "activating", _) => AgentState::Running,
            _ => AgentState::Stopped,
        };
        Ok(Self { invocation, state })
    }
}

fn is_connected(journal: &str, invocation: &str) -> bool {
    let lines = journal.lines().rev();
    let lines = lines.filter_map(|line| serde_json::from_str::<Line>(line).ok());
    let mut said = lines
        .filter(|line| line.invocation.as_deref() == Some(invocation))
        .filter_map(|line| line.message?.as_str().map(str::to_owned));
    let last = said.find_map(|message| {
        let lost = message.contains(DISCONNECTED);
        (lost || message.contains(CONNECTED)).then_some(!lost)
    });
    last.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    const AGENT: &str = include_str!("../../../../agent/src/engine/log.rs");

    fn output(text: &str) -> Output {
        Output {
            output: text.into(),
            ..Output::default()
        }
    }

    fn life(active: &str, sub: &str, journal: &str) -> AgentLife {
        let shown = format!("InvocationID=b\nActiveState={active}\nSubState={sub}\n");
        AgentLife::of(&output(&shown), &output(journal)).expect("read")
    }

    fn line(invocation: &str, message: &str) -> String {
        format!("{{\"MESSAGE\":\"{message}\",\"_SYSTEMD_INVOCATION_ID\":\"{invocation}\"}}\n")
    }

    #[test]
    fn the_agent_says_what_is_looked_for() {
        assert!(AGENT.contains(&format!("\"{CONNECTED}\"")));
        assert!(AGENT.contains(&format!("\"{DISCONNECTED};")));
    }

    #[test]
    fn only_what_this_start_said_counts() {
        let (before, now) = (
            line("a", CONNECTED),
            line("b", "INFO x: connected to the bus"),
        );
        assert_eq!(
            life("active", "running", &before).state,
            AgentState::Running
        );
        let both = format!("{before}{now}");
        assert_eq!(
            life("active", "running", &both).state,
            AgentState::Connected
        );
        let lost = format!("{now}{}", line("b", DISCONNECTED));
        assert_eq!(life("active", "running", &lost).state, AgentState::Running);
        let bytes = "{\"MESSAGE\":[27,255],\"_SYSTEMD_INVOCATION_ID\":\"b\"}\nnonsense\n";
        let mixed = format!("{now}{bytes}");
        assert_eq!(
            life("active", "running", &mixed).state,
            AgentState::Connected
        );
    }

    #[test]
    fn one_that_ends_by_itself_fails_whatever_it_said() {
        let now = line("b", CONNECTED);
        assert_eq!(
            life("activating", "auto-restart", &now).state,
            AgentState::Failing
        );
        assert_eq!(life("failed", "failed", &now).state, AgentState::Failing);
        assert_eq!(
            life("activating", "start-pre", &now).state,
            AgentState::Running
        );
        assert_eq!(life("inactive", "dead", &now).state, AgentState::Stopped);
        let error = AgentLife::of(&output("?"), &output("")).expect_err("refused");
        assert_eq!(error.reason(), "UnexpectedAnswer");
    }
}
