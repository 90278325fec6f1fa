//! The one cached listing of containers, beside the events stream.

use fleet_contracts::DeviceReason;

use super::{Effect, Engine, Note, RELIST};
use crate::desired::Problem;
use crate::{Observed, Tick};

/// While podman is away it is asked so often, in milliseconds.
const PODMAN_RETRY: u64 = 3_000;

/// The state of the listing: one at a time.
#[derive(Debug, Default)]
pub(super) struct Listing {
    under_way: bool,
    again: bool,
    /// Whether there was one since podman was last away.
    pub(super) fresh: bool,
    /// How many steps have ended.
    pub(super) epoch: u64,
}

impl Engine {
    /// Starts listing the containers, or has it done again after the listing under way.
    pub(super) fn list(&mut self, now: Tick) {
        if self.listing.under_way {
            self.listing.again = true;
            return;
        }
        self.listing.under_way = true;
        self.listing.again = false;
        self.relist.set(now + RELIST);
        let epoch = self.listing.epoch;
        self.effects.push(Effect::List { epoch });
    }

    pub(super) fn listed(&mut self, epoch: u64, result: Result<Observed, String>, now: Tick) {
        self.listing.under_way = false;
        let again = self.listing.again;
        match result {
            // What a step did since then may be missing in it.
            Ok(_) if epoch != self.listing.epoch => return self.list(now),
            Ok(observed) => {
                if self.podman_away.take().is_some() {
                    self.note(Note::PodmanBack);
                }
                self.observed = observed;
                self.listing.fresh = true;
            }
            Err(message) => {
                let since = self.podman_away.as_ref().map(|(since, _)| *since);
                if since.is_none() {
                    self.note(Note::PodmanAway(message.clone()));
                }
                let problem = Problem {
                    reason: DeviceReason::PodmanUnavailable,
                    message,
                };
                self.podman_away = Some((since.unwrap_or(now), problem));
                self.listing.fresh = false;
                self.relist.set(now + PODMAN_RETRY);
                return;
            }
        }
        if again {
            self.list(now);
        }
    }
}
