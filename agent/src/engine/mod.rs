//! The loop that owns all state. It waits for one event, lets the core decide, and starts tasks.

mod clock;
mod follow;
mod listing;
mod outbox;
mod stages;
mod steps;
mod vitals;
mod watch;

use std::sync::Arc;
use std::time::Duration;

use fleet_agent_core::desired::Problem;
use fleet_agent_core::plan::Busy;
use fleet_agent_core::{Desired, Lane, Memory, Observed, Outcome, ServiceKey, Tick, backoff, plan};
use fleet_contracts::payload::{DeviceInfo, Refusal};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::bus::{Bus, BusError, BusEvent, Fetched, SyncError};
use crate::config::Config;
use crate::identity;
use crate::ledger::{Content, Ledger, LedgerError};
use crate::podman::{Podman, PodmanError, PodmanInfo};
use crate::rotate;
use clock::{Clock, Timer};
use listing::Listing;
use outbox::{Item, Outbox};
use stages::Stages;
use steps::{Executor, Took};

/// Events waiting for the loop; senders wait when it is full.
const QUEUE: usize = 256;
/// Beside the events stream, the containers are listed so often, in milliseconds.
const RELIST: u64 = 60_000;
/// The inventory is read so often, in milliseconds.
const INVENTORY: u64 = 600_000;
/// podman may be away so long, in milliseconds, before deployments are reported as failed for it.
const PODMAN_GRACE: u64 = 10_000;

/// Why the agent cannot run. What can heal by itself is none of these.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The state folder cannot be made.
    #[error("cannot create the state folder {path}: {source}")]
    StateDir {
        /// The folder.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be listened to.
    #[error("cannot listen to signals: {0}")]
    Signals(std::io::Error),
    /// The bus's settings do not work.
    #[error("{0}")]
    Bus(String),
}

/// What the loop waits for.
#[derive(Debug)]
pub(crate) enum Event {
    /// The connection or the manifest changed.
    Bus(BusEvent),
    /// A sync ended.
    Synced(Result<Fetched, SyncError>),
    /// The ledger was written.
    Stored(Result<Duration, LedgerError>),
    /// Something happened to a container, or the events stream is new.
    ContainersChanged,
    /// The containers were listed.
    Listed {
        /// How many steps had ended when the listing began.
        epoch: u64,
        /// What there is.
        result: Result<Observed, PodmanError>,
    },
    /// podman said who it is.
    Inventory(Option<PodmanInfo>),
    /// A step ended.
    Done {
        /// The step.
        step: (ServiceKey, Lane),
        /// What came of it.
        outcome: Outcome,
        /// How long its parts took.
        took: Took,
    },
    /// A batch of the outbox was sent.
    Sent {
        /// What was acknowledged, by its version.
        acknowledged: Vec<(Item, u64)>,
        /// Why something was not.
        failed: Option<BusError>,
    },
}

impl From<BusEvent> for Event {
    fn from(event: BusEvent) -> Self {
        Self::Bus(event)
    }
}

struct Engine {
    config: Arc<Config>,
    bus: Bus,
    podman: Podman,
    ledger: Ledger,
    executor: Executor,
    events: mpsc::Sender<Event>,
    clock: Clock,

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

    heartbeat: Timer,
    resync: Timer,
    relist: Timer,
    inventory: Timer,
    wake: Option<Tick>,
}

/// Runs until told to stop by SIGTERM or SIGINT; containers are left running.
pub async fn run(config: Config) -> Result<(), AgentError> {
    let (events, mut queue) = mpsc::channel(QUEUE);
    let mut terminate = signal(SignalKind::terminate()).map_err(AgentError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AgentError::Signals)?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(device = %config.device_id, version, "starting");
    let mut engine = Engine::new(config, events).await?;
    loop {
        let wait = engine.wait();
        tokio::select! {
            event = queue.recv() => if let Some(event) = event { engine.handle(event) },
            () = tokio::time::sleep(wait) => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        // Whatever else has happened counts before anything is decided.
        while let Ok(event) = queue.try_recv() {
            engine.handle(event);
        }
        engine.advance().await;
    }
    tracing::info!("stopping; containers are left running");
    engine.bus.flush().await;
    Ok(())
}

impl Engine {
    async fn new(config: Config, events: mpsc::Sender<Event>) -> Result<Self, AgentError> {
        let dir = &config.state_dir;
        std::fs::create_dir_all(dir).map_err(|source| AgentError::StateDir {
            path: dir.clone(),
            source,
        })?;
        let config = Arc::new(config);
        let podman = Podman::new(config.podman.socket());
        tokio::spawn(watch::watch(
            podman.clone(),
            config.device_id.clone(),
            events.clone(),
        ));
        let credentials = identity::credentials(&config);
        rotate::watch(&config);
        let bus = Bus::start(&config, credentials, events.clone()).await;
        let clock = Clock::start();
        let now = clock.now();
        let period = u64::from(config.heartbeat.period_seconds) * 1000;
        let mut engine = Self {
            bus: bus.map_err(|e| AgentError::Bus(e.to_string()))?,
            ledger: Ledger::new(&config.state_dir),
            executor: Executor::new(&config, podman.clone()),
            podman,
            events,
            clock,
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
            heartbeat: Timer::at(now + backoff::jitter(period, &mut fastrand::f64)),
            resync: Timer::at(now + backoff::resync_delay(&mut fastrand::f64)),
            relist: Timer::at(now + RELIST),
            inventory: Timer::at(now),
            wake: None,
            config,
        };
        engine.load_ledger();
        engine.list();
        Ok(engine)
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Bus(BusEvent::Up) => self.bus_up(),
            Event::Bus(BusEvent::Down) => {
                tracing::warn!("disconnected from the bus; running from the ledger");
                self.connected = false;
            }
            Event::Bus(BusEvent::Doorbell { sequence }) => self.start_sync(sequence),
            Event::Synced(result) => self.synced(result),
            Event::Stored(result) => self.stored(result),
            Event::ContainersChanged => self.list(),
            Event::Listed { epoch, result } => self.listed(epoch, result),
            Event::Inventory(podman) => self.inventory_read(podman.as_ref()),
            Event::Done {
                step,
                outcome,
                took,
            } => self.done(&step, &outcome, &took),
            Event::Sent {
                acknowledged,
                failed,
            } => self.sent(&acknowledged, failed.as_ref()),
        }
    }

    fn bus_up(&mut self) {
        tracing::info!("connected to the bus");
        self.connected = true;
        self.heartbeat.set(self.clock.now());
        self.tell_and_ask();
    }

    /// The bus may have lost its store, or a part of it: it hears everything again.
    fn tell_and_ask(&mut self) {
        self.outbox.again();
        self.start_sync(0);
    }

    /// Until when the loop may wait for events.
    fn wait(&self) -> Duration {
        let timers = [&self.heartbeat, &self.resync, &self.relist, &self.inventory];
        let due = timers.iter().map(|t| t.due());
        let later = [
            self.wake,
            self.sync.retry_at(),
            self.outbox.retry_at(self.connected),
        ];
        let next = due.chain(later.into_iter().flatten()).min();
        let next = next.unwrap_or(Tick(u64::MAX));
        Duration::from_millis(next.since(self.clock.now()))
    }

    async fn advance(&mut self) {
        let now = self.clock.now();
        if self.relist.passed(now, RELIST) {
            self.list();
            self.store_ledger_if_dirty();
        }
        if self.inventory.passed(now, INVENTORY) {
            self.read_inventory();
        }
        if self
            .resync
            .passed(now, backoff::resync_delay(&mut fastrand::f64))
        {
            self.tell_and_ask();
        }
        if self.sync.retry_due(now) {
            self.start_sync(0);
        }
        if self
            .heartbeat
            .passed(now, u64::from(self.config.heartbeat.period_seconds) * 1000)
        {
            self.send_heartbeat().await;
        }
        self.plan(now);
        self.report(now);
        self.outbox
            .flush(self.connected, now, &self.bus, &self.events);
    }

    fn plan(&mut self, now: Tick) {
        self.wake = None;
        let Some(desired) = &self.desired else { return };
        if !self.listing.fresh {
            self.wake = self
                .podman_away
                .as_ref()
                .map(|(since, _)| *since + PODMAN_GRACE)
                .filter(|&at| at > now);
            return;
        }
        self.memory
            .observe(desired, &self.observed, now, &mut fastrand::f64);
        let plan = plan(desired, &self.observed, &self.memory, &self.busy, now);
        self.wake = plan.wake_at;
        for step in plan.steps {
            // Nothing new runs before the ledger would bring it back after a power cut.
            if self.store.durable() || step.may_precede_ledger() {
                self.busy.insert((step.key().clone(), step.lane()));
                self.executor.start(step, self.events.clone());
            }
        }
    }

    fn done(&mut self, step: &(ServiceKey, Lane), outcome: &Outcome, took: &Took) {
        self.busy.remove(step);
        if step.1 == Lane::Change {
            self.listing.epoch += 1;
        }
        self.stages.step(&step.0.deployment, took);
        self.observed.apply(outcome);
        if let Some(desired) = &self.desired {
            let now = self.clock.now();
            self.memory
                .record(desired, outcome, now, &mut fastrand::f64);
        }
        match &outcome.done {
            fleet_agent_core::Done::Failed(failure) => {
                let (reason, message) = (failure.reason, &failure.message);
                tracing::warn!(service = %outcome.key, %reason, message, "step failed");
                self.list();
            }
            fleet_agent_core::Done::Removed { .. } => self.note_departed(&outcome.key.deployment),
            _ => {}
        }
    }
}
