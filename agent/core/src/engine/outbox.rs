//! What the bus has to be told: the latest of each thing, until it was acknowledged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleet_contracts::payload::{DeviceState, Phase, encode};
use fleet_contracts::{DeploymentRef, UnixMillis};

use super::{Engine, Moment, Note, PODMAN_GRACE};
use crate::Tick;
use crate::backoff::Backoff;
use crate::report::{report, same};

/// After a failure.
const RETRY: Backoff = Backoff {
    base: 1_000,
    cap: 60_000,
};
/// Sent in one go.
const BATCH: usize = 256;
/// What is on its way to a new revision is said after so many milliseconds: mostly it has arrived by
/// then, and one report does. Whoever hears nothing counts it as on its way anyhow.
const PATIENCE: u64 = 1_000;

/// A thing the bus keeps.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Item {
    /// What the device is.
    Info,
    /// What became of a deployment.
    State(DeploymentRef),
}

/// A thing to be stored.
#[derive(Debug, Clone)]
pub struct Parcel {
    /// What.
    pub item: Item,
    /// To be given back when it is acknowledged.
    pub version: u64,
    /// What to store; none to delete it.
    pub body: Option<Bytes>,
}

/// The latest of each thing. No larger than what the device runs.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// What the bus was told last, or is to be told; without a body, that it is gone.
    latest: BTreeMap<Item, (u64, Option<Bytes>)>,
    pending: BTreeMap<Item, u64>,
    versions: u64,
    states: BTreeMap<DeploymentRef, DeviceState>,
    /// When to say that a deployment is on its way.
    held: BTreeMap<DeploymentRef, Tick>,
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

    /// When there is more to say if nothing happens.
    pub(super) fn held_until(&self) -> Option<Tick> {
        self.held.values().min().copied()
    }

    /// Whether the bus has all of it.
    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty() && self.held.is_empty()
    }

    /// Whether to keep a state to ourselves for now.
    fn holds(&mut self, deployment: &DeploymentRef, state: &DeviceState, now: Tick) -> bool {
        let said = self.states.get(deployment);
        let news = said.is_none_or(|said| said.revision != state.revision);
        if news && matches!(state.phase, Phase::Pending | Phase::Starting) {
            let due = self.held.entry(deployment.clone());
            if now < *due.or_insert(now + PATIENCE) {
                return true;
            }
        }
        self.held.remove(deployment);
        false
    }

    /// What to send now, unless something is being sent already.
    pub(super) fn flush(&mut self, connected: bool, now: Tick) -> Option<Vec<Parcel>> {
        let waiting = self.retry_at.is_some_and(|at| at > now);
        if !connected || self.sending || waiting || self.pending.is_empty() {
            return None;
        }
        self.sending = true;
        self.retry_at = None;
        let parcel = |item: &Item| {
            let (version, body) = self.latest.get(item)?;
            Some(Parcel {
                item: item.clone(),
                version: *version,
                body: body.clone(),
            })
        };
        let batch = self.pending.keys().filter_map(parcel).take(BATCH);
        Some(batch.collect())
    }
}

impl Engine {
    /// Compares what there is to say with what was said.
    pub(super) fn report(&mut self, at: &Moment<'_>) {
        let Some(desired) = &self.desired else { return };
        let away = self
            .podman_away
            .as_ref()
            .filter(|(since, _)| at.now.since(*since) >= PODMAN_GRACE);
        if !self.listing.fresh && away.is_none() {
            return;
        }
        let away = away.map(|(_, problem)| problem);
        let states = report(desired, &self.observed, &self.memory, away, at.wall);
        let wanted = self.content.as_ref().map(|c| &c.manifest.deployments);
        let held = &mut self.outbox.held;
        held.retain(|deployment, _| wanted.is_some_and(|all| all.contains_key(deployment)));
        for (deployment, state) in states {
            if let Some(stage) = self.stages.reached(&deployment, state.phase) {
                self.note(Note::Applied {
                    deployment: deployment.clone(),
                    revision: state.revision,
                    phase: state.phase,
                    total: Duration::from_millis(at.now.since(stage.began)),
                    stage,
                });
            }
            if !self.outbox.holds(&deployment, &state, at.now) {
                self.say(deployment, state);
            }
        }
        self.take_back();
    }

    /// Whether these states were said, or are held back.
    pub(super) fn is_said(&self, states: &[(DeploymentRef, DeviceState)]) -> bool {
        states.iter().all(|(deployment, state)| {
            let said = self.outbox.states.get(deployment);
            said.is_some_and(|said| same(said, state)) || self.outbox.held.contains_key(deployment)
        })
    }

    fn say(&mut self, deployment: DeploymentRef, mut state: DeviceState) {
        let said = self.outbox.states.get(&deployment);
        if said.is_some_and(|said| same(said, &state)) {
            return;
        }
        state.at = reached_at(said, &state);
        self.note(Note::State {
            deployment: deployment.clone(),
            state: state.clone(),
        });
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
            self.note(Note::Removed(deployment.clone()));
            self.outbox.states.remove(&deployment);
            self.outbox.put(Item::State(deployment), None);
        }
    }

    pub(super) fn sent(
        &mut self,
        acknowledged: &[(Item, u64)],
        failed: Option<String>,
        at: &mut Moment<'_>,
    ) {
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
                    Arc::make_mut(content).departed.remove(deployment);
                }
            }
        }
        if let Some(error) = failed {
            outbox.failures += 1;
            let delay = RETRY.delay(outbox.failures, at.dice);
            outbox.retry_at = Some(at.now + delay);
            self.note(Note::NotReported(error));
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
