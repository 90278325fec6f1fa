//! The device as one value: what happens goes in, what has to be done comes out.
//!
//! | module | decides |
//! |---|---|
//! | `follow` | what to follow: from the ledger, then from the bus, then into the ledger |
//! | `listing` | when to list the containers |
//! | `outbox` | what the bus has to be told |
//! | `vitals` | signs of life |
//! | `settled` | whether there is anything to plan or to say |
//! | `stages` | where the time went |
//! | [`note`] | what is worth a line in the log |
//!
//! Whoever drives it brings each [`Input`] as it happens, then calls [`Engine::advance`], does what
//! that says in any order and at once, and comes again with the next input or at [`Engine::due`].
//! What takes time answers with an input.

mod follow;
mod listing;
pub mod note;
mod outbox;
mod settled;
mod stages;
mod timer;
mod vitals;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use fleet_contracts::payload::{DeviceInfo, Inventory, Refusal};
use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeviceId, UnixMillis};

pub use note::Note;
pub use outbox::{Item, Parcel};
pub use stages::{Timing, Took};

use crate::desired::Problem;
use crate::ledger::Content;
use crate::plan::Busy;
use crate::sync::{Doorbell, Fetched, Snapshot, SyncError};
use crate::{
    Desired, Dice, Done, Lane, Memory, Observed, Outcome, ServiceKey, Step, Tick, backoff, plan,
};
use listing::Listing;
use outbox::Outbox;
use stages::Stages;
use timer::Timer;

/// Beside the events stream, the containers are listed so often, in milliseconds.
const RELIST: u64 = 60_000;
/// The inventory is read so often, in milliseconds.
const INVENTORY: u64 = 600_000;
/// podman may be away so long, in milliseconds, before deployments are reported as failed for it.
const PODMAN_GRACE: u64 = 10_000;

/// What is known of the device before anything happens.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This device.
    pub device: DeviceId,
    /// What it says of itself.
    pub labels: BTreeMap<String, String>,
    /// Whose manifests to follow.
    pub trusted: Vec<TrustedKey>,
    /// Milliseconds between signs of life.
    pub heartbeat: u64,
    /// Where ports are published that name no address.
    pub default_host_ip: Option<IpAddr>,
}

/// When something happens.
pub struct Moment<'a> {
    /// By the monotonic clock.
    pub now: Tick,
    /// By the wall clock, for reports only.
    pub wall: UnixMillis,
    /// For delays.
    pub dice: Dice<'a>,
}

impl std::fmt::Debug for Moment<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { now, wall, .. } = self;
        f.debug_struct("Moment")
            .field("now", now)
            .field("wall", wall)
            .finish_non_exhaustive()
    }
}

/// What happens to a device.
#[derive(Debug)]
pub enum Input {
    /// The bus has answered over a new connection.
    Connected,
    /// The connection is gone.
    Disconnected,
    /// The manifest changed.
    Doorbell(Doorbell),
    /// [`Effect::Sync`] ended.
    Synced {
        /// What came of it.
        result: Result<Fetched, SyncError>,
        /// Where the time went.
        timing: Timing,
    },
    /// [`Effect::Store`] ended: how long it took, or why it failed.
    Stored(Result<Duration, String>),
    /// Something happened to a container, or nobody would have noticed for a while.
    ContainersChanged,
    /// [`Effect::List`] ended.
    Listed {
        /// The epoch it was asked for.
        epoch: u64,
        /// What there is, or why podman cannot be asked.
        result: Result<Observed, String>,
    },
    /// [`Effect::ReadInventory`] ended.
    Inventory(Inventory),
    /// [`Effect::Run`] ended.
    Done {
        /// The step.
        step: (ServiceKey, Lane),
        /// What came of it.
        outcome: Outcome,
        /// How long its parts took.
        took: Took,
    },
    /// [`Effect::Send`] ended.
    Sent {
        /// What was acknowledged, by its version.
        acknowledged: Vec<(Item, u64)>,
        /// Why something was not.
        failed: Option<String>,
    },
}

/// What has to be done.
#[derive(Debug)]
pub enum Effect {
    /// Fetch what should run. One at a time.
    Sync(Snapshot),
    /// Replace the ledger, so that it survives a power cut. One at a time.
    Store(Arc<Content>),
    /// List the containers. One at a time.
    List {
        /// To be given back: how many steps had ended when it was asked.
        epoch: u64,
    },
    /// Read what the machine is made of.
    ReadInventory,
    /// Execute a step.
    Run(Step),
    /// Have the bus store these. One batch at a time.
    Send(Vec<Parcel>),
    /// Send a sign of life; nobody acknowledges it.
    Heartbeat(Bytes),
    /// Say it in the log.
    Note(Note),
}

/// A device.
#[derive(Debug)]
pub struct Engine {
    settings: Settings,
    effects: Vec<Effect>,

    content: Option<Arc<Content>>,
    desired: Option<Desired>,
    observed: Observed,
    memory: Memory,
    busy: Busy,
    stages: Stages,
    outbox: Outbox,
    refusal: Option<Refusal>,
    info: Option<DeviceInfo>,

    connected: bool,
    sync: follow::SyncState,
    store: follow::StoreState,
    listing: Listing,
    podman_away: Option<(Tick, Problem)>,
    /// Whether something happened that plan and report depend on, since they were made.
    unsettled: bool,

    heartbeat: Timer,
    resync: Timer,
    relist: Timer,
    inventory: Timer,
    wake: Option<Tick>,
}

impl Engine {
    /// A device that starts: `ledger` is what it was last told, or why that cannot be read.
    pub fn new(
        settings: Settings,
        ledger: Result<Option<Content>, String>,
        at: &mut Moment<'_>,
    ) -> Self {
        let now = at.now;
        let mut engine = Self {
            effects: vec![],
            content: None,
            desired: None,
            observed: Observed::default(),
            memory: Memory::default(),
            busy: Busy::default(),
            stages: Stages::default(),
            outbox: Outbox::default(),
            refusal: None,
            info: None,
            connected: false,
            sync: follow::SyncState::default(),
            store: follow::StoreState::default(),
            listing: Listing::default(),
            podman_away: None,
            unsettled: true,
            heartbeat: Timer::at(now + backoff::jitter(settings.heartbeat, at.dice)),
            resync: Timer::at(now + backoff::resync_delay(at.dice)),
            relist: Timer::at(now + RELIST),
            inventory: Timer::at(now),
            wake: None,
            settings,
        };
        engine.take_ledger(ledger, at);
        engine.list(now);
        engine
    }

    /// What it was last told to run.
    pub fn content(&self) -> Option<&Content> {
        self.content.as_deref()
    }

    /// What runs, as far as it knows.
    pub const fn observed(&self) -> &Observed {
        &self.observed
    }

    /// Whether the bus was told all there is to say.
    pub fn is_reported(&self) -> bool {
        self.outbox.is_empty()
    }

    /// Takes in what happened.
    pub fn handle(&mut self, input: Input, at: &mut Moment<'_>) {
        self.unsettled |= input.unsettles();
        match input {
            Input::Connected => {
                self.note(Note::Connected);
                self.connected = true;
                self.heartbeat.set(at.now);
                self.tell_and_ask(at.now);
            }
            Input::Disconnected => {
                self.note(Note::Disconnected);
                self.connected = false;
            }
            Input::Doorbell(doorbell) => self.start_sync(doorbell, at.now),
            Input::Synced { result, timing } => self.synced(result, timing, at),
            Input::Stored(result) => self.stored(result, at),
            Input::ContainersChanged => self.list(at.now),
            Input::Listed { epoch, result } => self.listed(epoch, result, at.now),
            Input::Inventory(inventory) => self.inventory_read(inventory, at.wall),
            Input::Done {
                step,
                outcome,
                took,
            } => self.done(&step, &outcome, &took, at),
            Input::Sent {
                acknowledged,
                failed,
            } => self.sent(&acknowledged, failed, at),
        }
    }

    /// The bus may have lost its store, or a part of it: it hears everything again.
    fn tell_and_ask(&mut self, now: Tick) {
        self.outbox.again();
        self.start_sync(Doorbell::default(), now);
    }

    /// When to come again if nothing happens before.
    pub fn due(&self) -> Tick {
        let timers = [&self.heartbeat, &self.resync, &self.relist, &self.inventory];
        let due = timers.iter().map(|t| t.due());
        let later = [
            self.wake,
            self.sync.retry_at(),
            self.outbox.retry_at(self.connected),
            // Nothing is said before the containers are listed; that will come by itself.
            self.outbox.held_until().filter(|_| self.listing.fresh),
        ];
        let next = due.chain(later.into_iter().flatten()).min();
        next.unwrap_or(Tick(u64::MAX))
    }

    /// Decides what has to be done now.
    pub fn advance(&mut self, at: &mut Moment<'_>) -> Vec<Effect> {
        let now = at.now;
        if self.relist.passed(now, RELIST) {
            self.list(now);
            self.store_ledger_if_dirty();
        }
        if self.inventory.passed(now, INVENTORY) {
            self.effects.push(Effect::ReadInventory);
        }
        if self.resync.passed(now, backoff::resync_delay(at.dice)) {
            self.tell_and_ask(now);
        }
        if self.sync.retry_due(now) {
            self.start_sync(Doorbell::default(), now);
        }
        if self.heartbeat.passed(now, self.settings.heartbeat) {
            self.send_heartbeat(at.wall);
        }
        if self.unsettled || self.is_woken(now) {
            self.unsettled = false;
            self.plan(at);
            self.report(at);
        }
        debug_assert!(self.is_settled(at), "something was not planned or said");
        if let Some(batch) = self.outbox.flush(self.connected, now) {
            self.effects.push(Effect::Send(batch));
        }
        std::mem::take(&mut self.effects)
    }

    fn plan(&mut self, at: &mut Moment<'_>) {
        self.wake = None;
        let Some(desired) = &self.desired else { return };
        if !self.listing.fresh {
            self.wake = self
                .podman_away
                .as_ref()
                .map(|(since, _)| *since + PODMAN_GRACE)
                .filter(|&due| due > at.now);
            return;
        }
        self.memory
            .observe(desired, &self.observed, at.now, at.dice);
        let plan = plan(desired, &self.observed, &self.memory, &self.busy, at.now);
        self.wake = plan.wake_at;
        for step in plan.steps {
            // Nothing new runs before the ledger would bring it back after a power cut.
            if self.store.durable() || step.may_precede_ledger() {
                self.busy.insert((step.key().clone(), step.lane()));
                self.effects.push(Effect::Run(step));
            }
        }
    }

    fn done(
        &mut self,
        step: &(ServiceKey, Lane),
        outcome: &Outcome,
        took: &Took,
        at: &mut Moment<'_>,
    ) {
        self.busy.remove(step);
        if step.1 == Lane::Change {
            self.listing.epoch += 1;
        }
        self.stages.step(&step.0.deployment, took);
        self.observed.apply(outcome);
        if let Some(desired) = &self.desired {
            self.memory.record(desired, outcome, at.now, at.dice);
        }
        match &outcome.done {
            Done::Failed(failure) => {
                self.note(Note::StepFailed {
                    service: outcome.key.clone(),
                    reason: failure.reason,
                    message: failure.message.clone(),
                });
                self.list(at.now);
            }
            Done::Removed { .. } => self.note_departed(&outcome.key.deployment),
            _ => {}
        }
    }

    fn note(&mut self, note: Note) {
        self.effects.push(Effect::Note(note));
    }
}
