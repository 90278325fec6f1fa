//! What QEMU's monitor is told, and what it answers: QMP, one JSON value a line.

use serde::Deserialize;
use serde_json::json;

/// What the monitor is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QmpCommand {
    /// To begin: nothing else is taken before it.
    Capabilities,
    /// How the guest is.
    Status,
    /// The guest is to shut itself down, as by its power button. Whether it does is its affair.
    Powerdown,
    /// QEMU is to end; what it has of the disk is written.
    Quit,
}

impl QmpCommand {
    /// QEMU's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Capabilities => "qmp_capabilities",
            Self::Status => "query-status",
            Self::Powerdown => "system_powerdown",
            Self::Quit => "quit",
        }
    }

    /// The line that asks for it.
    pub fn line(self) -> String {
        format!("{}\n", json!({ "execute": self.name() }))
    }
}

/// What the monitor said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QmpMessage {
    /// It was connected to.
    Greeting,
    /// What was asked for was done.
    Done(Option<RunState>),
    /// It was not.
    Refused(String),
    /// Something happened meanwhile.
    Event(String),
}

/// How a guest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunState {
    /// It runs.
    Running,
    /// It does not, for this reason of QEMU's, such as `paused`, `io-error` or `guest-panicked`.
    Halted(String),
}

/// A line that is none of QMP's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("QEMU's monitor said something that is not understood: {0:?}")]
pub struct QmpError(String);

#[derive(Deserialize)]
struct Line {
    #[serde(rename = "QMP")]
    greeting: Option<serde::de::IgnoredAny>,
    #[serde(rename = "return")]
    returned: Option<Returned>,
    error: Option<Refusal>,
    event: Option<String>,
}

#[derive(Deserialize)]
struct Returned {
    status: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    desc: String,
}

impl QmpMessage {
    /// Reads a line.
    pub fn parse(line: &str) -> Result<Self, QmpError> {
        let unknown = || QmpError(line.chars().take(200).collect());
        let line: Line = serde_json::from_str(line).map_err(|_| unknown())?;
        match line {
            Line {
                returned: Some(returned),
                ..
            } => Ok(Self::Done(returned.status.map(RunState::named))),
            Line {
                error: Some(error), ..
            } => Ok(Self::Refused(error.desc)),
            Line {
                event: Some(event), ..
            } => Ok(Self::Event(event)),
            Line {
                greeting: Some(_), ..
            } => Ok(Self::Greeting),
            _ => Err(unknown()),
        }
    }
}

impl RunState {
    fn named(name: String) -> Self {
        if name == "running" {
            Self::Running
        } else {
            Self::Halted(name)
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_the_monitor_says_is_understood() {
        let parse = |line: &str| QmpMessage::parse(line).expect(line);
        let greeting = r#"{"QMP": {"version": {"qemu": {"micro": 22}, "package": "Debian"}, "capabilities": ["oob"]}}"#;
        assert_eq!(parse(greeting), QmpMessage::Greeting);
        assert_eq!(parse(r#"{"return": {}}"#), QmpMessage::Done(None));
        let status = r#"{"return": {"status": "running", "singlestep": false, "running": true}}"#;
        assert_eq!(parse(status), QmpMessage::Done(Some(RunState::Running)));
        let panicked = r#"{"return": {"status": "guest-panicked", "running": false}}"#;
        let halted = RunState::Halted("guest-panicked".to_owned());
        assert_eq!(parse(panicked), QmpMessage::Done(Some(halted)));
        let event = r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true}}"#;
        assert_eq!(parse(event), QmpMessage::Event("SHUTDOWN".to_owned()));
        let error = r#"{"error": {"class": "CommandNotFound", "desc": "no such"}}"#;
        assert_eq!(parse(error), QmpMessage::Refused("no such".to_owned()));
    }

    #[test]
    fn commands_are_one_line_of_json() {
        let line = QmpCommand::Powerdown.line();
        assert_eq!(line, "{\"execute\":\"system_powerdown\"}\n");
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line in any::<String>()) {
            let _ = QmpMessage::parse(&line);
        }
    }

    #[test]
    fn what_is_none_of_it_is_refused() {
        for line in ["", "{}", "null", "[]", "(qemu) "] {
            assert!(QmpMessage::parse(line).is_err(), "{line}");
        }
    }
}
