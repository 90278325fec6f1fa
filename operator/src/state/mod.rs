//! What all tasks share: the index, the mirror of `desired-state`, and the queues of dirty keys.
//!
//! One lock guards all of it. It is never held over an await, and what is done under it is plain
//! computation of the core.

mod active;
mod known;
mod queues;

pub use known::{DeploymentKnown, Known};
pub use queues::{Kind, Queues};

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use fleet_contracts::DeviceId;
use fleet_operator_core::claims::Enrolments;
use fleet_operator_core::describe::describe;
use fleet_operator_core::index::{Dirty, LivenessConfig, Reachability};
use fleet_operator_core::mirror::Mirror;
use fleet_operator_core::{FleetIndex, Input};
use tokio::sync::{Notify, watch};

use crate::clock;
use crate::metrics::Metrics;

/// Where events come from. Nothing is written before each has told all it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// `Deployment` objects.
    Deployments,
    /// `Device` objects.
    Devices,
    /// `DeviceEnrolment` objects.
    Enrolments,
    /// Bucket `device-info`.
    Info,
    /// Bucket `device-state`.
    Reports,
    /// Bucket `device-heartbeat`.
    Heartbeats,
    /// Bucket `desired-state`.
    Desired,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Deployments,
        Self::Devices,
        Self::Enrolments,
        Self::Info,
        Self::Reports,
        Self::Heartbeats,
        Self::Desired,
    ];

    /// For logs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Deployments => "deployments",
            Self::Devices => "devices",
            Self::Enrolments => "enrolments",
            Self::Info => "device-info",
            Self::Reports => "device-state",
            Self::Heartbeats => "device-heartbeat",
            Self::Desired => "desired-state",
        }
    }
}

/// Everything under the lock.
#[derive(Debug)]
pub struct State {
    /// Who should run what, and what came of it.
    pub index: FleetIndex,
    /// What `desired-state` holds.
    pub mirror: Mirror,
    /// What is dirty.
    pub queues: Queues,
    /// What the objects say now, as far as writers need it.
    pub known: Known,
    synced: BTreeSet<Source>,
    leading: bool,
    active: bool,
}

/// The state, and how tasks wake each other.
#[derive(Debug)]
pub struct Shared {
    state: Mutex<State>,
    /// Counters.
    pub metrics: Metrics,
    /// Whether this replica writes.
    active: watch::Sender<bool>,
    /// Rung when an earlier tick may be due.
    pub tick: Notify,
}

impl Shared {
    /// An empty state.
    pub fn new(
        liveness: LivenessConfig,
        mirror: Mirror,
        enrolments: Enrolments,
        metrics: Metrics,
    ) -> Self {
        Self {
            state: Mutex::new(State {
                index: FleetIndex::new(liveness, clock::now()),
                mirror,
                queues: Queues::new(),
                known: Known {
                    enrolments,
                    ..Known::default()
                },
                synced: BTreeSet::new(),
                leading: false,
                active: false,
            }),
            metrics,
            active: watch::Sender::new(false),
            tick: Notify::new(),
        }
    }

    /// The state, locked.
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // The core does not panic; should it, its state is no worse than a restart would find.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an event in.
    pub fn apply(&self, input: Input) {
        self.take(self.lock(), input);
    }

    /// Takes in what a device says, or what it may say, and what follows for its labels. Under one
    /// lock: were the two judged apart, what a device said could outlive what it may say.
    pub fn describe_again(&self, device: &DeviceId, change: impl FnOnce(&mut Known)) {
        let mut state = self.lock();
        change(&mut state.known);
        let Known {
            infos, enrolments, ..
        } = &state.known;
        let Some(info) = infos.get(device) else {
            return;
        };
        let info = describe(info, enrolments.rule(device));
        let device = device.clone();
        self.take(state, Input::Info { device, info });
    }

    fn take(&self, mut state: MutexGuard<'_, State>, input: Input) {
        let before = state.index.next_tick();
        let dirty = state.index.apply(input, clock::now());
        let earlier = state.index.next_tick() < before || before.is_none();
        log_transitions(&dirty);
        state.mark(dirty);
        drop(state);
        if earlier {
            self.tick.notify_one();
        }
    }

    /// Notes that `desired-state` changed under a device, by somebody's hand other than ours or by
    /// the echo of our own.
    pub fn mark_desired(&self, device: DeviceId) {
        let mut state = self.lock();
        let dirty = Dirty {
            desired: [device].into(),
            ..Dirty::default()
        };
        state.mark(dirty);
    }

    /// Whether this replica writes, and a way to wait for a change of that.
    pub fn active(&self) -> watch::Receiver<bool> {
        self.active.subscribe()
    }
}

impl State {
    /// Queues what an event made dirty. A standby queues nothing: on taking over it looks at
    /// everything.
    fn mark(&mut self, dirty: Dirty) {
        if self.active {
            self.queues.mark(dirty, clock::now());
        } else if self.leading {
            // A leader that waits for a watch looks at all objects afterwards, but what is to be
            // forgotten is in no object any more.
            let kept = Dirty {
                forgotten: dirty.forgotten,
                reports: dirty.reports,
                ..Dirty::default()
            };
            self.queues.mark(kept, clock::now());
        }
    }
}

fn log_transitions(dirty: &Dirty) {
    for (device, reachability) in &dirty.reachability {
        match reachability {
            Reachability::Reachable => tracing::info!(%device, "device is reachable"),
            Reachability::Stale => {
                tracing::warn!(%device, reason = "HeartbeatMissed", "device is stale");
            }
            Reachability::Unknown => {}
        }
    }
}
