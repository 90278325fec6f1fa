//! The one cached listing of containers, beside the events stream.

use fleet_agent_core::Observed;
use fleet_agent_core::desired::Problem;
use fleet_contracts::DeviceReason;

use super::{Engine, Event, RELIST};
use crate::podman::PodmanError;

/// While podman is away it is asked so often, in milliseconds.
const PODMAN_RETRY: u64 = 3_000;

/// The state of the listing: one at a time.
#[derive(Default)]
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
    pub(super) fn list(&mut self) {
        if self.listing.under_way {
            self.listing.again = true;
            return;
        }
        self.listing.under_way = true;
        self.listing.again = false;
        self.relist.set(self.clock.now() + RELIST);
        let (podman, device, epoch) = (
            self.podman.clone(),
            self.config.device_id.clone(),
            self.listing.epoch,
        );
        let events = self.events.clone();
        tokio::spawn(async move {
            let result = podman.list(&device).await;
            let _ = events.send(Event::Listed { epoch, result }).await;
        });
    }

    pub(super) fn listed(&mut self, epoch: u64, result: Result<Observed, PodmanError>) {
        self.listing.under_way = false;
        let again = self.listing.again;
        match result {
            // What a step did since then may be missing in it.
            Ok(_) if epoch != self.listing.epoch => return self.list(),
            Ok(observed) => {
                if self.podman_away.take().is_some() {
                    tracing::info!("podman answers again");
                }
                self.observed = observed;
                self.listing.fresh = true;
            }
            Err(error) => {
                let message = error.to_string();
                let since = self.podman_away.as_ref().map(|(since, _)| *since);
                if since.is_none() {
                    tracing::warn!(error = message, "podman is not available");
                }
                let problem = Problem {
                    reason: DeviceReason::PodmanUnavailable,
                    message,
                };
                self.podman_away = Some((since.unwrap_or_else(|| self.clock.now()), problem));
                self.listing.fresh = false;
                self.relist.set(self.clock.now() + PODMAN_RETRY);
                return;
            }
        }
        if again {
            self.list();
        }
    }
}
