//! Something that is due again and again.

use crate::Tick;

#[derive(Debug, Clone, Copy)]
pub(super) struct Timer(Tick);

impl Timer {
    pub(super) const fn at(tick: Tick) -> Self {
        Self(tick)
    }

    pub(super) const fn due(self) -> Tick {
        self.0
    }

    pub(super) const fn set(&mut self, at: Tick) {
        self.0 = at;
    }

    /// Whether it is due; if so, it is set to `again` milliseconds from now.
    pub(super) fn passed(&mut self, now: Tick, again: u64) -> bool {
        let due = self.0 <= now;
        if due {
            self.0 = now + again;
        }
        due
    }
}
