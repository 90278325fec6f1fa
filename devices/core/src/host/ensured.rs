use super::command::{Command, Output};

/// A difference, and what makes it go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What will be different, for people: one line for each thing, `-` before what goes and `+` before what
    /// comes.
    pub difference: Vec<String>,
    /// What makes it so, in this order.
    pub commands: Vec<Command>,
}

/// An answer that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{command} answered something that is not understood: {answer:?}")]
pub struct Unexpected {
    /// What was run.
    pub command: String,
    /// The beginning of what it printed.
    pub answer: String,
}

impl Unexpected {
    pub(super) fn of(command: &str, output: &Output) -> Self {
        Self {
            command: command.to_owned(),
            answer: output.text().chars().take(200).collect(),
        }
    }
}

/// Something that has to be there. Whoever carries it out looks first, changes what is different, and
/// looks again: what is then still different did not work.
pub trait Ensured {
    /// What it is, for messages: `package podman`, `file /etc/fleet-agent/config.toml`.
    fn name(&self) -> String;

    /// How to look. All of them only look.
    fn looks(&self) -> Vec<Command>;

    /// What is different from what has to be, given the answers to the looks in their order; `None` where
    /// nothing is.
    ///
    /// # Errors
    /// When an answer is not understood.
    fn change(&self, answers: &[Output]) -> Result<Option<Change>, Unexpected>;

    /// What says more where a change fails, such as a log.
    fn explains(&self) -> Option<Command> {
        None
    }
}
