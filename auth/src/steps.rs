//! What commands that set something up looked at, and what became of each thing.

use std::fmt;
use std::io::Write as _;

/// Whether to do it or only to say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is written.
    Plan,
    /// What differs is written.
    Apply,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What it is.
    pub what: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a thing, or would.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was as it should be.
    Kept,
    /// It was not there.
    Created,
    /// It was different.
    Changed,
    /// It is not there, and somebody else has to make it.
    Missing,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Kept => "unchanged",
            Outcome::Created => "created",
            Outcome::Changed => "changed",
            Outcome::Missing => "missing",
        };
        write!(f, "{outcome:<9} {}", self.what)
    }
}

/// Prints a step on standard output, at once. A pipe that nobody reads any more is no reason to stop
/// half way.
#[allow(
    clippy::needless_pass_by_value,
    reason = "who does the steps is done with each of them"
)]
pub fn print(step: Step) {
    let mut out = std::io::stdout();
    let _ = writeln!(out, "{step}").and_then(|()| out.flush());
}
