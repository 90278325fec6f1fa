//! What to follow: from the ledger, then from the bus, then into the ledger.

use std::sync::Arc;
use std::time::Duration;

use fleet_contracts::payload::Refusal;
use fleet_contracts::{DeploymentRef, RefusalReason};

use super::{Effect, Engine, Moment, Note, Timing};
use crate::Tick;
use crate::accept::Refused;
use crate::backoff::Backoff;
use crate::ledger::Content;
use crate::sync::{Doorbell, Fetched, Snapshot, SyncError};

/// After a sync that the bus did not answer, or that lacked a body still on its way.
const RESYNC: Backoff = Backoff {
    base: 400,
    cap: 60_000,
};

/// A body may be missing so often before it is called a refusal.
const PATIENCE: u32 = 3;

/// The sync: one at a time.
#[derive(Debug, Default)]
pub(super) struct SyncState {
    under_way: bool,
    began: Tick,
    /// The doorbell rang meanwhile.
    again: Option<Doorbell>,
    failures: u32,
    retry_at: Option<Tick>,
}

impl SyncState {
    pub(super) fn retry_at(&self) -> Option<Tick> {
        self.retry_at.filter(|_| !self.under_way)
    }

    pub(super) fn retry_due(&self, now: Tick) -> bool {
        self.retry_at().is_some_and(|at| at <= now)
    }
}

/// Writing the ledger: one at a time.
#[derive(Debug, Default)]
pub(super) struct StoreState {
    under_way: bool,
    dirty: bool,
}

impl StoreState {
    /// Whether what is followed is on disk, or could not be written and is followed regardless.
    pub(super) fn durable(&self) -> bool {
        !self.under_way
    }
}

impl Engine {
    pub(super) fn take_ledger(&mut self, ledger: Result<Option<Content>, String>, at: &Moment<'_>) {
        match ledger {
            Ok(Some(content)) => {
                self.note(Note::FromLedger {
                    generation: content.manifest.generation.0,
                    deployments: content.manifest.deployments.len(),
                });
                self.follow(content);
            }
            Ok(None) => self.note(Note::NoLedger),
            Err(message) => self.refuse(RefusalReason::LedgerCorrupt, message, at),
        }
    }

    fn follow(&mut self, content: Content) {
        let host_ip = self.settings.default_host_ip;
        let before = self.desired.take().unwrap_or_default();
        let desired = before.next(&content.manifest, &content.bodies, host_ip);
        self.stages
            .retain(|d| content.manifest.deployments.contains_key(d));
        self.desired = Some(desired);
        self.content = Some(Arc::new(content));
    }

    fn refuse(&mut self, reason: RefusalReason, message: String, at: &Moment<'_>) {
        let known = self
            .refusal
            .as_ref()
            .is_some_and(|r| r.reason == reason && r.message == message);
        if known {
            return;
        }
        self.note(Note::Refused {
            reason,
            message: message.clone(),
        });
        self.refusal = Some(Refusal {
            reason,
            message,
            at: at.wall,
        });
        // Said at once, not with the next sign of life.
        self.heartbeat.set(at.now);
    }

    /// Starts a sync, or has one follow the one under way.
    pub(super) fn start_sync(&mut self, doorbell: Doorbell, now: Tick) {
        if !self.connected {
            // A new connection begins with a sync.
            self.sync.retry_at = None;
            return;
        }
        if self.sync.under_way {
            self.sync.again = Some(match self.sync.again.take() {
                Some(again) => again.and(&doorbell),
                None => doorbell,
            });
            return;
        }
        self.sync.under_way = true;
        self.sync.began = now;
        self.sync.retry_at = None;
        let learned = self.content.as_ref().map(|content| &content.learned);
        let configured = &self.settings.trusted;
        self.effects.push(Effect::Sync(Snapshot {
            device: self.settings.device.clone(),
            trusted: learned.map_or_else(|| configured.clone(), |l| l.trusted(configured)),
            content: self.content.clone(),
            doorbell,
        }));
    }

    pub(super) fn synced(
        &mut self,
        result: Result<Fetched, SyncError>,
        timing: Timing,
        at: &mut Moment<'_>,
    ) {
        self.sync.under_way = false;
        match result {
            Ok(fetched) => self.fetched(fetched, timing, at),
            Err(SyncError::Refused(Refused { reason, message })) => {
                self.refuse(reason, message, at);
            }
            Err(SyncError::NoManifest) => self.note(Note::NoManifest),
            Err(SyncError::NoAnswer(error)) => {
                self.note(Note::SyncFailed(error));
                self.sync_again_later(at);
            }
        }
        if let Some(doorbell) = self.sync.again.take() {
            self.start_sync(doorbell, at.now);
        }
    }

    fn sync_again_later(&mut self, at: &mut Moment<'_>) {
        self.sync.failures += 1;
        let delay = RESYNC.delay(self.sync.failures, at.dice);
        self.sync.retry_at = Some(at.now + delay);
    }

    fn fetched(&mut self, fetched: Fetched, timing: Timing, at: &mut Moment<'_>) {
        if let Some(Refused { reason, message }) = fetched.refused {
            self.sync_again_later(at);
            // A body may be of a manifest that is only just being written.
            if reason != RefusalReason::EntryMissing || self.sync.failures >= PATIENCE {
                self.refuse(reason, message, at);
            }
        } else {
            self.sync.failures = 0;
            let unwritable = |r: &Refusal| r.reason == RefusalReason::LedgerUnwritable;
            self.refusal = self.refusal.take().filter(unwritable);
        }
        let Some(content) = fetched.content else {
            return;
        };
        self.note(Note::Following {
            generation: content.manifest.generation.0,
            deployments: content.manifest.deployments.len(),
        });
        if self.is_rewritten(&content) {
            self.note(Note::Rewritten);
            self.outbox.again();
        }
        self.time(&content, timing);
        self.follow(content);
        self.store_ledger();
    }

    /// A manifest that is newer and says nothing new was written because the bus had lost the last
    /// one, and it may have lost what it was told as well. Nothing else shows a loss behind a
    /// connection that stands.
    fn is_rewritten(&self, content: &Content) -> bool {
        let before = self.content.as_ref().map(|c| &c.manifest);
        before.is_some_and(|before| {
            before.generation < content.manifest.generation
                && before.same_content(&content.manifest)
        })
    }

    fn time(&mut self, content: &Content, timing: Timing) {
        let before = self.content.as_ref().map(|c| &c.manifest.deployments);
        let changed = content.manifest.deployments.iter();
        let changed =
            changed.filter(|&(d, revision)| before.and_then(|b| b.get(d)) != Some(revision));
        for (deployment, _) in changed {
            self.stages.begin(deployment, self.sync.began, timing);
        }
    }

    fn store_ledger(&mut self) {
        let Some(content) = self.content.clone() else {
            return;
        };
        if self.store.under_way {
            self.store.dirty = true;
            return;
        }
        self.store.under_way = true;
        self.store.dirty = false;
        self.effects.push(Effect::Store(content));
    }

    pub(super) fn store_ledger_if_dirty(&mut self) {
        if self.store.dirty {
            self.store_ledger();
        }
    }

    pub(super) fn stored(&mut self, result: Result<Duration, String>, at: &Moment<'_>) {
        self.store.under_way = false;
        match result {
            Ok(took) => {
                self.stages.stored(took);
                self.refusal = self
                    .refusal
                    .take()
                    .filter(|r| r.reason != RefusalReason::LedgerUnwritable);
                self.store_ledger_if_dirty();
            }
            Err(message) => {
                self.refuse(RefusalReason::LedgerUnwritable, message, at);
                // Tried again with the next listing by the clock.
                self.store.dirty = true;
            }
        }
    }

    /// A container of a deployment was removed; if nobody wants the deployment, its state goes too.
    pub(super) fn note_departed(&mut self, deployment: &DeploymentRef) {
        if let Some(content) = &mut self.content
            && !content.manifest.deployments.contains_key(deployment)
            && !content.departed.contains(deployment)
        {
            Arc::make_mut(content).departed.insert(deployment.clone());
        }
    }
}
