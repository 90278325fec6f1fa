//! What happens when: events by time, and among those of one time in the order they were added.

use std::collections::BTreeMap;

/// The future.
#[derive(Debug)]
pub struct Schedule<E> {
    events: BTreeMap<(u64, u64), E>,
    added: u64,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self {
            events: BTreeMap::new(),
            added: 0,
        }
    }
}

impl<E> Schedule<E> {
    /// Adds an event.
    pub fn add(&mut self, at: u64, event: E) {
        self.added += 1;
        self.events.insert((at, self.added), event);
    }

    /// The next event, and when it happens.
    pub fn pop(&mut self) -> Option<(u64, E)> {
        let ((at, _), event) = self.events.pop_first()?;
        Some((at, event))
    }

    /// What happens later than that, as far as it is known.
    pub fn after(&self, at: u64) -> impl Iterator<Item = &E> {
        let later = self.events.range((at, u64::MAX)..);
        later.map(|(_, event)| event)
    }

    /// When the next one happens.
    pub fn next_at(&self) -> Option<u64> {
        self.events.first_key_value().map(|((at, _), _)| *at)
    }
}
