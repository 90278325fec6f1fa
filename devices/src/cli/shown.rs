use std::time::Instant;

use crate::host::Outcome;
use crate::setup::Progress;

/// Lines for people, one for each thing, as it is done.
#[derive(Debug)]
pub(super) struct Lines {
    since: Instant,
}

impl Lines {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
        }
    }
}

impl Progress for Lines {
    fn begins(&mut self, what: &str) {
        self.since = Instant::now();
        eprintln!("  ...        {what}");
    }

    fn ended(&mut self, what: &str, outcome: &Outcome) {
        let (word, difference): (_, &[String]) = match outcome {
            Outcome::Unchanged => ("unchanged", &[]),
            Outcome::Changed(difference) => ("changed", difference),
            Outcome::Planned(difference) => ("to change", difference),
        };
        let took = self.since.elapsed().as_secs_f64();
        println!("{word:<10} {what}  ({took:.1} s)");
        for line in difference {
            println!("             {line}");
        }
    }
}
