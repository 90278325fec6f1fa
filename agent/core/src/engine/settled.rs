//! Whether there is anything to plan or to say: most of what happens to a device changes neither.

use super::{Engine, Input, Moment};
use crate::report::report;
use crate::{Step, Tick, plan};

impl Input {
    /// Whether plan and report depend on it.
    pub(super) const fn unsettles(&self) -> bool {
        match self {
            Self::Synced { .. } | Self::Stored(_) | Self::Listed { .. } | Self::Done { .. } => true,
            // They end in one of the others, or in something to be sent.
            Self::Connected
            | Self::Disconnected
            | Self::Doorbell(_)
            | Self::ContainersChanged
            | Self::Inventory(_)
            | Self::Sent { .. } => false,
        }
    }
}

impl Engine {
    /// Whether time alone changes what to do or to say.
    pub(super) fn is_woken(&self, now: Tick) -> bool {
        let moments = [self.wake, self.outbox.held_until()];
        moments.into_iter().flatten().any(|at| at <= now)
    }

    /// Whether to plan and to report once more would change nothing. Debug builds ask after every
    /// step, and so do all tests and simulations: what plan and report depend on is easily forgotten.
    pub(super) fn is_settled(&self, at: &Moment<'_>) -> bool {
        let (Some(desired), true) = (&self.desired, self.listing.fresh) else {
            return true;
        };
        let mut memory = self.memory.clone();
        memory.observe(desired, &self.observed, at.now, &mut || 0.5);
        let plan = plan(desired, &self.observed, &memory, &self.busy, at.now);
        let may_run = |step: &Step| self.store.durable() || step.may_precede_ledger();
        memory == self.memory
            && plan.wake_at == self.wake
            && !plan.steps.iter().any(may_run)
            && self.is_said(&report(desired, &self.observed, &memory, None, at.wall))
    }
}
