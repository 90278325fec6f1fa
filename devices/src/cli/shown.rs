use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::host::Outcome;
use crate::setup::Progress;

/// Lines for people, one for each thing, as it is done.
#[derive(Debug)]
pub(super) struct Lines {
    since: Mutex<Instant>,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            since: Mutex::new(Instant::now()),
        }
    }
}

impl Progress for Lines {
    fn begins(&self, what: &str) {
        *self.since.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
        eprintln!("  ...        {what}");
    }

    fn says(&self, line: &str) {
        eprintln!("             {line}");
    }

    fn ended(&self, what: &str, outcome: &Outcome) {
        let (word, difference): (_, &[String]) = match outcome {
            Outcome::Unchanged => ("unchanged", &[]),
            Outcome::Changed(difference) => ("changed", difference),
            Outcome::Planned(difference) => ("to change", difference),
        };
        let since = *self.since.lock().unwrap_or_else(PoisonError::into_inner);
        println!(
            "{word:<10} {what}  ({:.1} s)",
            since.elapsed().as_secs_f64()
        );
        for line in difference {
            println!("             {line}");
        }
    }
}
