//! What to follow: from the ledger, then from the bus, then into the ledger.

use std::sync::Arc;
use std::time::Instant;

use fleet_agent_core::accept::Refused;
use fleet_agent_core::backoff::Backoff;
use fleet_agent_core::{Desired, Tick};
use fleet_contracts::payload::Refusal;
use fleet_contracts::{DeploymentRef, RefusalReason};

use super::{Engine, Event, clock};
use crate::bus::{self, Fetched, Snapshot, SyncError, Timing};
use crate::ledger::{Content, LedgerError};

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
    /// The doorbell rang meanwhile, with this sequence.
    again: Option<u64>,
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
    pub(super) fn load_ledger(&mut self) {
        let keys = &self.config.manifest.trusted_keys;
        match self
            .ledger
            .load(&self.config.device_id, keys, clock::wall())
        {
            Ok(Some(content)) => {
                let (generation, deployments) = (
                    content.manifest.generation.0,
                    content.manifest.deployments.len(),
                );
                tracing::info!(generation, deployments, "running from the ledger");
                self.take(content);
            }
            Ok(None) => tracing::info!("no ledger yet; waiting for the first manifest"),
            Err(error) => self.refuse(RefusalReason::LedgerCorrupt, full(&error)),
        }
    }

    fn take(&mut self, content: Content) {
        let host_ip = self.config.podman.default_host_ip;
        let desired = Desired::new(&content.manifest, &content.bodies, host_ip);
        self.stages
            .retain(|d| content.manifest.deployments.contains_key(d));
        self.desired = Some(desired);
        self.content = Some(Arc::new(content));
    }

    fn refuse(&mut self, reason: RefusalReason, message: String) {
        let known = self
            .refusal
            .as_ref()
            .is_some_and(|r| r.reason == reason && r.message == message);
        if !known {
            tracing::error!(%reason, message, "refused");
            self.refusal = Some(Refusal {
                reason,
                message,
                at: clock::wall(),
            });
            // Said at once, not with the next sign of life.
            self.heartbeat.set(self.clock.now());
        }
    }

    /// Starts a sync, or has one follow the one under way.
    pub(super) fn start_sync(&mut self, at_least: u64) {
        if !self.connected {
            return;
        }
        if self.sync.under_way {
            self.sync.again = Some(self.sync.again.unwrap_or(0).max(at_least));
            return;
        }
        self.sync.under_way = true;
        self.sync.retry_at = None;
        let learned = self.content.as_ref().map(|content| &content.learned);
        let configured = &self.config.manifest.trusted_keys;
        let snapshot = Snapshot {
            device: self.config.device_id.clone(),
            trusted: learned.map_or_else(|| configured.clone(), |l| l.trusted(configured)),
            content: self.content.clone(),
            at_least,
        };
        let (bus, events) = (self.bus.clone(), self.events.clone());
        tokio::spawn(async move {
            let result = bus::fetch(bus, snapshot).await;
            let _ = events.send(Event::Synced(result)).await;
        });
    }

    pub(super) fn synced(&mut self, result: Result<Fetched, SyncError>) {
        self.sync.under_way = false;
        match result {
            Ok(fetched) => self.fetched(fetched),
            Err(SyncError::Refused(Refused { reason, message })) => self.refuse(reason, message),
            Err(SyncError::NoManifest) => {
                tracing::debug!("no manifest on the bus; keeping what runs");
            }
            Err(SyncError::Bus(error)) => {
                tracing::warn!(%error, "sync failed; will be tried again");
                self.sync_again_later();
            }
        }
        if let Some(sequence) = self.sync.again.take() {
            self.start_sync(sequence);
        }
    }

    fn sync_again_later(&mut self) {
        self.sync.failures += 1;
        let delay = RESYNC.delay(self.sync.failures, &mut fastrand::f64);
        self.sync.retry_at = Some(self.clock.now() + delay);
    }

    fn fetched(&mut self, fetched: Fetched) {
        if let Some(Refused { reason, message }) = fetched.refused {
            self.sync_again_later();
            // A body may be of a manifest that is only just being written.
            if reason != RefusalReason::EntryMissing || self.sync.failures >= PATIENCE {
                self.refuse(reason, message);
            }
        } else {
            self.sync.failures = 0;
            let unwritable = |r: &Refusal| r.reason == RefusalReason::LedgerUnwritable;
            self.refusal = self.refusal.take().filter(unwritable);
        }
        let Some(content) = fetched.content else {
            return;
        };
        let generation = content.manifest.generation.0;
        let deployments = content.manifest.deployments.len();
        tracing::info!(generation, deployments, "following a new manifest");
        if self.is_rewritten(&content) {
            tracing::info!("the manifest was written again; so is what was reported");
            self.outbox.again();
        }
        self.time(&content, fetched.timing);
        self.take(content);
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
            self.stages.begin(deployment, timing);
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
        let (ledger, events) = (self.ledger.clone(), self.events.clone());
        tokio::spawn(async move {
            let write = move || {
                let began = Instant::now();
                ledger.store(&content).map(|()| began.elapsed())
            };
            // The task only fails with the agent.
            if let Ok(result) = tokio::task::spawn_blocking(write).await {
                let _ = events.send(Event::Stored(result)).await;
            }
        });
    }

    pub(super) fn store_ledger_if_dirty(&mut self) {
        if self.store.dirty {
            self.store_ledger();
        }
    }

    pub(super) fn stored(&mut self, result: Result<std::time::Duration, LedgerError>) {
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
            Err(error) => {
                self.refuse(RefusalReason::LedgerUnwritable, full(&error));
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

fn full(error: &LedgerError) -> String {
    use std::error::Error as _;
    error
        .source()
        .map_or_else(|| error.to_string(), |source| format!("{error}: {source}"))
}
