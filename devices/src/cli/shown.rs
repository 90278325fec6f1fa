use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::setup::Format;
use super::view::View;
use crate::host::Outcome;
use crate::setup::{Event, Progress};

/// One thing after the other on one host or of one machine, told as a set-up tells them.
pub(super) struct Lines {
    view: View,
    since: Mutex<Instant>,
}

impl Lines {
    /// For what bears this name.
    pub(super) fn of(name: &str) -> Self {
        Self {
            view: View::new(&[name.to_owned()], false, Format::Text, false),
            since: Mutex::new(Instant::now()),
        }
    }

    /// It was met, and is this.
    pub(super) fn met(&self, what: String) {
        self.view.show(0, &Event::Met(what));
    }

    /// The end of what is told.
    pub(super) fn say(&self, text: &str) {
        self.view.say(text);
    }

    fn since(&self) -> std::sync::MutexGuard<'_, Instant> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Progress for Lines {
    fn begins(&self, what: &str) {
        *self.since() = Instant::now();
        self.view.show(0, &Event::Begins(what));
    }

    fn says(&self, line: &str) {
        self.view.show(0, &Event::Says(line));
    }

    fn ended(&self, what: &str, outcome: &Outcome) {
        let took = self.since().elapsed();
        self.view.show(0, &Event::Ended(what, outcome, took));
    }
}
