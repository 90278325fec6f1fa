//! What commands that set something up looked at, and what became of each thing.

use std::fmt;

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
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Kept => "unchanged",
            Outcome::Created => "created",
            Outcome::Changed => "changed",
        };
        write!(f, "{outcome:<9} {}", self.what)
    }
}
