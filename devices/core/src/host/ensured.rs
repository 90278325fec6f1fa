use super::command::{Command, Output};
use super::enrolment::EnrolmentError;
use super::subordinate::SubordinateError;

/// A difference, and what makes it go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What will be different, for people: one line for each thing, `-` before what goes and `+` before what
    /// comes.
    pub difference: Vec<String>,
    /// What makes it so, in this order.
    pub commands: Vec<Command>,
}

/// Why it cannot be said what to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnsureError {
    /// An answer was not understood.
    #[error("{command} answered something that is not understood: {answer:?}")]
    Unexpected {
        /// What was run.
        command: String,
        /// The beginning of what it printed.
        answer: String,
    },
    /// No ids are left to give away.
    #[error(transparent)]
    Subordinates(#[from] SubordinateError),
    /// It is not part of the fleet.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
}

impl EnsureError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Unexpected { .. } => "UnexpectedAnswer",
            Self::Subordinates(_) => "SubordinateIdsExhausted",
            Self::Enrolment(error) => error.reason(),
        }
    }

    /// That answer, and not one that is understood.
    pub fn unexpected(command: &str, output: &Output) -> Self {
        Self::Unexpected {
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
    /// When an answer is not understood, or there is nothing left to give.
    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError>;

    /// What it means that one of the commands of a change failed; `None` where that is all that can be said.
    fn failed(&self, _command: &Command, _output: &Output) -> Option<EnsureError> {
        None
    }

    /// What says more where a change fails, such as a log.
    fn explains(&self) -> Option<Command> {
        None
    }
}
