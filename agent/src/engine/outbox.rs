//! What the bus has to be told: the latest of each thing, until it was acknowledged.

use std::collections::BTreeMap;

use bytes::Bytes;
use fleet_agent_core::Tick;
use fleet_agent_core::backoff::Backoff;
use fleet_agent_core::report::{report, same};
use fleet_contracts::payload::{DeviceState, encode};
use fleet_contracts::{DeploymentRef, UnixMillis};
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;

use super::{Engine, Event, PODMAN_GRACE, clock};
use crate::bus::{Bus, BusError};

/// After a failure.
const RETRY: Backoff = Backoff {
    base: 1_000,
    cap: 60_000,
};
/// Sent in one go, so many at a time.
const BATCH: usize = 256;
const PARALLEL: usize = 16;

/// A thing the bus keeps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Item {
    /// What the device is.
    Info,
    /// What became of a deployment.
    State(DeploymentRef),
}

/// The latest of each thing. No larger than what the device runs.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// What the bus was told last, or is to be told; without a body, that it is gone.
    latest: BTreeMap<Item, (u64, Option<Bytes>)>,
    pending: BTreeMap<Item, u64>,
    versions: u64,
    states: BTreeMap<DeploymentRef, DeviceState>,
    sending: bool,
    failures: u32,
    retry_at: Option<Tick>,
}

impl Outbox {
    /// Has this sent as soon as possible.
    pub(super) fn put(&mut self, item: Item, body: Option<Bytes>) {
        self.versions += 1;
        self.latest.insert(item.clone(), (self.versions, body));
        self.pending.insert(item, self.versions);
    }

    /// Has everything sent again. What is under way may still be acknowledged by a store that is
    /// lost by now: that does not count.
    pub(super) fn again(&mut self) {
        self.versions += 1;
        for (item, (version, _)) in &mut self.latest {
            *version = self.versions;
            self.pending.insert(item.clone(), self.versions);
        }
        self.retry_at = None;
        self.failures = 0;
    }

    /// The bus has an item at this version. Answers whether nothing newer is to be sent.
    fn acknowledged(&mut self, item: &Item, version: u64) -> bool {
        let current = self.pending.get(item) == Some(&version);
        if current {
            self.pending.remove(item);
        }
        current
    }

    /// When to try again.
    pub(super) fn retry_at(&self, connected: bool) -> Option<Tick> {
        self.retry_at.filter(|_| connected && !self.sending)
    }

    /// Sends what is pending, unless something is being sent already.
    pub(super) fn flush(
        &mut self,
        connected: bool,
        now: Tick,
        bus: &Bus,
        events: &mpsc::Sender<Event>,
    ) {
        let waiting = self.retry_at.is_some_and(|at| at > now);
        if !connected || self.sending || waiting || self.pending.is_empty() {
            return;
        }
        self.sending = true;
        self.retry_at = None;
        let batch: Vec<_> = self
            .pending
            .keys()
            .filter_map(|item| {
                self.latest
                    .get(item)
                    .map(|(v, body)| (item.clone(), *v, body.clone()))
            })
            .take(BATCH)
            .collect();
        tokio::spawn(send(batch, bus.clone(), events.clone()));
    }
}

async fn send(batch: Vec<(Item, u64, Option<Bytes>)>, bus: Bus, events: mpsc::Sender<Event>) {
    let mut answers = stream::iter(batch)
        .map(|(item, version, body)| {
            let bus = &bus;
            async move {
                let result = match &item {
                    Item::Info => bus.put_info(body.unwrap_or_default()).await,
                    Item::State(deployment) => bus.put_state(deployment, body).await,
                };
                (item, version, result)
            }
        })
        .buffer_unordered(PARALLEL);
    let (mut acknowledged, mut failed) = (vec![], None);
    while let Some((item, version, result)) = answers.next().await {
        match result {
            Ok(()) => acknowledged.push((item, version)),
            Err(error) => failed = Some(error),
        }
    }
    drop(answers);
    let _ = events
        .send(Event::Sent {
            acknowledged,
            failed,
        })
        .await;
}

impl Engine {
    /// Compares what there is to say with what was said.
    pub(super) fn report(&mut self, now: Tick) {
        let Some(desired) = &self.desired else { return };
        let away = self
            .podman_away
            .as_ref()
            .filter(|(since, _)| now.since(*since) >= PODMAN_GRACE);
        if !self.listing.fresh && away.is_none() {
            return;
        }
        let at = clock::wall();
        let away = away.map(|(_, problem)| problem);
        let states = report(desired, &self.observed, &self.memory, away, at);
        for (deployment, state) in states {
            self.stages
                .reached(&deployment, state.revision, state.phase);
            self.say(deployment, state);
        }
        self.take_back();
    }

    fn say(&mut self, deployment: DeploymentRef, mut state: DeviceState) {
        let said = self.outbox.states.get(&deployment);
        if said.is_some_and(|said| same(said, &state)) {
            return;
        }
        state.at = reached_at(said, &state);
        let reason = state.reason.map_or("", |r| r.as_str());
        tracing::info!(%deployment, phase = ?state.phase, reason, message = state.message, "state");
        self.outbox
            .put(Item::State(deployment.clone()), Some(encode(&state).into()));
        self.outbox.states.insert(deployment, state);
    }

    /// Deletes the states of deployments that are gone, once their containers are.
    fn take_back(&mut self) {
        let (Some(content), true) = (&self.content, self.listing.fresh) else {
            return;
        };
        let running = |d: &DeploymentRef| {
            self.observed
                .containers
                .values()
                .any(|c| c.key.deployment == *d)
        };
        let told = |d: &DeploymentRef| {
            self.outbox
                .latest
                .get(&Item::State(d.clone()))
                .is_some_and(|(_, b)| b.is_none())
        };
        let gone: Vec<_> = content
            .departed
            .iter()
            .filter(|d| !running(d) && !told(d))
            .cloned()
            .collect();
        for deployment in gone {
            tracing::info!(%deployment, "removed");
            self.outbox.states.remove(&deployment);
            self.outbox.put(Item::State(deployment), None);
        }
    }

    pub(super) fn sent(&mut self, acknowledged: &[(Item, u64)], failed: Option<&BusError>) {
        let outbox = &mut self.outbox;
        outbox.sending = false;
        for (item, version) in acknowledged {
            if !outbox.acknowledged(item, *version) {
                continue;
            }
            let gone = outbox
                .latest
                .get(item)
                .is_some_and(|(_, body)| body.is_none());
            if let (Item::State(deployment), true) = (item, gone) {
                outbox.latest.remove(item);
                if let Some(content) = &mut self.content {
                    std::sync::Arc::make_mut(content)
                        .departed
                        .remove(deployment);
                }
            }
        }
        if let Some(error) = failed {
            tracing::warn!(%error, "not reported; will be tried again");
            outbox.failures += 1;
            let delay = RETRY.delay(outbox.failures, &mut fastrand::f64);
            outbox.retry_at = Some(self.clock.now() + delay);
        } else {
            outbox.failures = 0;
        }
    }
}

/// When the phase was reached: as said before, if it is still the same one.
fn reached_at(said: Option<&DeviceState>, state: &DeviceState) -> UnixMillis {
    let before = said.filter(|s| s.phase == state.phase && s.revision == state.revision);
    before.map_or(state.at, |s| s.at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_from_before_a_loss_does_not_count() {
        let mut outbox = Outbox::default();
        outbox.put(Item::Info, Some(Bytes::from_static(b"{}")));
        let sent = outbox.pending[&Item::Info];
        outbox.again();
        assert!(!outbox.acknowledged(&Item::Info, sent));
        let again = outbox.pending[&Item::Info];
        assert!(outbox.acknowledged(&Item::Info, again));
        assert!(outbox.pending.is_empty());
    }
}
