//! What all tasks share: one replica as a value, under one lock.
//!
//! The lock is never held over an await, and what is done under it is plain computation of the core.

mod bells;

pub use bells::Bells;
pub use fleet_operator_core::replica::{Kind, Queues, Source};

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleet_contracts::DeviceId;
use fleet_operator_core::claims::Enrolments;
use fleet_operator_core::index::{LivenessConfig, Reachability};
use fleet_operator_core::mirror::Mirror;
use fleet_operator_core::replica::{Known, Taken, Turn};
use fleet_operator_core::{Input, Replica};
use tokio::sync::{Notify, watch};

use crate::clock;
use crate::metrics::Metrics;

/// The replica, and how tasks wake each other.
#[derive(Debug)]
pub struct Shared {
    state: Mutex<Replica>,
    /// Counters.
    pub metrics: Metrics,
    /// Whether this replica writes.
    active: watch::Sender<bool>,
    /// Told when objects have to be listed anew.
    outdated: watch::Sender<()>,
    /// Rung when an earlier tick may be due.
    pub tick: Notify,
    /// Rung when a queue has news.
    pub bells: Bells,
}

/// The replica, locked. Writers whose queue got news meanwhile are woken when it is let go.
#[derive(Debug)]
pub struct Locked<'a> {
    replica: MutexGuard<'a, Replica>,
    bells: &'a Bells,
}

impl Deref for Locked<'_> {
    type Target = Replica;

    fn deref(&self) -> &Replica {
        &self.replica
    }
}

impl DerefMut for Locked<'_> {
    fn deref_mut(&mut self) -> &mut Replica {
        &mut self.replica
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        self.bells.ring(&mut self.replica.queues);
    }
}

impl Shared {
    /// A replica that knows nothing yet.
    pub fn new(
        liveness: LivenessConfig,
        mirror: Mirror,
        enrolments: Enrolments,
        metrics: Metrics,
    ) -> Self {
        let replica = Replica::new(liveness, mirror, enrolments, clock::now());
        Self {
            state: Mutex::new(replica),
            metrics,
            active: watch::Sender::new(false),
            outdated: watch::Sender::new(()),
            tick: Notify::new(),
            bells: Bells::default(),
        }
    }

    /// The replica, locked.
    pub fn lock(&self) -> Locked<'_> {
        Locked {
            // The core does not panic; should it, its state is no worse than a restart would find.
            replica: self.state.lock().unwrap_or_else(PoisonError::into_inner),
            bells: &self.bells,
        }
    }

    /// Takes an event in.
    pub fn apply(&self, input: Input) {
        let taken = self.lock().apply(input, clock::now());
        self.took(&taken);
    }

    /// Takes in what a device says, or what it may say, and what follows for its labels.
    pub fn describe_again(&self, device: &DeviceId, change: impl FnOnce(&mut Known)) {
        let taken = self.lock().describe_again(device, change, clock::now());
        self.took(&taken);
    }

    /// Wakes and logs what an event calls for.
    pub fn took(&self, taken: &Taken) {
        if taken.earlier {
            self.tick.notify_one();
        }
        for (device, reachability) in &taken.reachability {
            match reachability {
                Reachability::Reachable => tracing::info!(%device, "device is reachable"),
                Reachability::Stale => {
                    tracing::warn!(%device, reason = "HeartbeatMissed", "device is stale");
                }
                Reachability::Unknown => {}
            }
        }
        for passed in &taken.passed {
            let after = Duration::from_millis(passed.after);
            self.metrics.passed(passed.stage.as_str(), after);
        }
        if let Some((device, refusal)) = &taken.refusal {
            let reason = refusal.reason.as_str();
            self.metrics.refusal(reason);
            let message = &refusal.message;
            tracing::warn!(%device, reason, message, "device refuses its manifest");
        }
    }

    /// A source has told all it has.
    pub fn synced(&self, source: Source) {
        tracing::info!(source = source.name(), "watch has delivered its first list");
        self.turn(|replica| replica.synced(source, clock::now()));
    }

    /// The watch of a source ended, or may miss something.
    pub fn broke(&self, source: Source) {
        self.lock().broke(source);
    }

    /// What a watch may have missed has come.
    pub fn resumed(&self, source: Source) {
        self.turn(|replica| replica.resumed(source, clock::now()));
    }

    /// A source begins again.
    pub fn unsynced(&self, source: Source) {
        self.turn(|replica| replica.unsynced(source, clock::now()));
    }

    /// This replica leads until then, or does not.
    pub fn leading(&self, until: Option<Instant>) {
        let until = until.map(clock::millis);
        self.turn(|replica| replica.lead(until, clock::now()));
        let replica = self.lock();
        let mut objects = Source::OBJECTS.into_iter();
        if objects.any(|source| replica.is_outdated(source)) {
            self.outdated.send_replace(());
        }
    }

    /// A list of objects is asked for.
    pub fn lists(&self, source: Source) {
        self.lock().lists(source);
    }

    /// Whether objects have to be listed anew.
    pub fn is_outdated(&self, source: Source) -> bool {
        self.lock().is_outdated(source)
    }

    /// A way to wait for that.
    pub fn outdated(&self) -> watch::Receiver<()> {
        self.outdated.subscribe()
    }

    /// The sources that have to tell all they have before this replica writes.
    pub fn awaited(&self) -> Vec<Source> {
        self.lock().awaited()
    }

    /// Whether this replica writes, and a way to wait for a change of that.
    pub fn active(&self) -> watch::Receiver<bool> {
        self.active.subscribe()
    }

    fn turn(&self, change: impl FnOnce(&mut Replica) -> Option<Turn>) {
        let mut replica = self.lock();
        let Some(turn) = change(&mut replica) else {
            return;
        };
        match &turn {
            Turn::Begins { carried } => {
                for (deployment, devices) in carried {
                    tracing::warn!(%deployment, devices, "spec is refused; what devices run stays");
                }
                let held = replica.index.deployments().count();
                tracing::info!(
                    deployments = held,
                    "writing: leader, and every watch is synced"
                );
                for deployment in replica.index.deployments() {
                    tracing::info!(%deployment, "acquired deployment");
                }
            }
            Turn::Ends => tracing::info!("not writing any more"),
        }
        // Under the lock: two turns must not be told in the wrong order.
        let active = matches!(turn, Turn::Begins { .. });
        self.active.send_replace(active);
    }
}
