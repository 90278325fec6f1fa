//! The loop around [`fleet_agent_core::Engine`]: it waits for one input, lets the core decide, and
//! starts tasks for what has to be done; each sends an input back.

mod clock;
mod durable;
mod log;
mod outbox;
mod steps;
mod watch;

use std::sync::Arc;
use std::time::{Duration, Instant};

use fleet_agent_core::engine::{Effect, Engine, Input, Settings};
use fleet_agent_core::ledger::{self, Content, LedgerError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::bus::{self, Bus};
use crate::config::Config;
use crate::identity;
use crate::inventory;
use crate::ledger::StateFolder;
use crate::podman::Podman;
use crate::rotate;
use clock::Clock;
use steps::Executor;

/// Inputs waiting for the loop; senders wait when it is full.
const QUEUE: usize = 256;

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

/// What carries out what the core decides.
struct Hands {
    config: Arc<Config>,
    bus: Bus,
    podman: Podman,
    folder: StateFolder,
    executor: Executor,
    inputs: mpsc::Sender<Input>,
}

/// Runs until told to stop by SIGTERM or SIGINT; containers are left running.
pub async fn run(config: Config) -> Result<(), AgentError> {
    let (inputs, mut queue) = mpsc::channel(QUEUE);
    let mut terminate = signal(SignalKind::terminate()).map_err(AgentError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AgentError::Signals)?;
    let version = env!("CARGO_PKG_VERSION");
    tracing::info!(device = %config.device_id, version, "starting");
    let hands = Hands::new(config, inputs).await?;
    let clock = Clock::start();
    let ledger = hands.load_ledger();
    let mut dice = fastrand::f64;
    let mut engine = Engine::new(hands.settings(), ledger, &mut clock.moment(&mut dice));
    loop {
        for effect in engine.advance(&mut clock.moment(&mut dice)) {
            hands.carry_out(effect).await;
        }
        let wait = Duration::from_millis(engine.due().since(clock.now()));
        tokio::select! {
            input = queue.recv() => if let Some(input) = input {
                engine.handle(input, &mut clock.moment(&mut dice));
            },
            () = tokio::time::sleep(wait) => {}
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
        }
        // Whatever else has happened counts before anything is decided.
        while let Ok(input) = queue.try_recv() {
            engine.handle(input, &mut clock.moment(&mut dice));
        }
    }
    tracing::info!("stopping; containers are left running");
    hands.bus.flush().await;
    Ok(())
}

impl Hands {
    async fn new(config: Config, inputs: mpsc::Sender<Input>) -> Result<Self, AgentError> {
        let dir = &config.state_dir;
        std::fs::create_dir_all(dir).map_err(|source| AgentError::StateDir {
            path: dir.clone(),
            source,
        })?;
        let config = Arc::new(config);
        let podman = Podman::new(config.podman.socket());
        let (device, events) = (config.device_id.clone(), inputs.clone());
        tokio::spawn(watch::watch(podman.clone(), device, events));
        let credentials = identity::credentials(&config);
        rotate::watch(&config);
        let bus = Bus::start(&config, credentials, inputs.clone()).await;
        Ok(Self {
            bus: bus.map_err(|e| AgentError::Bus(e.to_string()))?,
            folder: StateFolder::new(&config.state_dir),
            executor: Executor::new(&config, podman.clone()),
            podman,
            inputs,
            config,
        })
    }

    fn settings(&self) -> Settings {
        let config = &self.config;
        Settings {
            device: config.device_id.clone(),
            labels: config.labels.clone(),
            trusted: config.manifest.trusted_keys.clone(),
            heartbeat: u64::from(config.heartbeat.period_seconds) * 1000,
            default_host_ip: config.podman.default_host_ip,
        }
    }

    fn load_ledger(&self) -> Result<Option<Content>, String> {
        let keys = &self.config.manifest.trusted_keys;
        let mut folder = self.folder.clone();
        let loaded = ledger::load(&mut folder, &self.config.device_id, keys, clock::wall());
        loaded.map_err(|error| error.to_string())
    }

    async fn carry_out(&self, effect: Effect) {
        match effect {
            Effect::Sync(snapshot) => {
                let bus = self.bus.clone();
                self.answer(async move {
                    let (result, timing) = bus::fetch(&bus, snapshot).await;
                    Some(Input::Synced { result, timing })
                });
            }
            Effect::Store(content) => {
                let folder = self.folder.clone();
                let writing = tokio::task::spawn_blocking(move || store(folder, &content));
                // The task only fails with the agent.
                self.answer(async move { writing.await.ok().map(Input::Stored) });
            }
            Effect::List { epoch } => {
                let (podman, device) = (self.podman.clone(), self.config.device_id.clone());
                self.answer(async move {
                    let result = podman.list(&device).await.map_err(|e| e.to_string());
                    Some(Input::Listed { epoch, result })
                });
            }
            Effect::ReadInventory => {
                let (podman, config) = (self.podman.clone(), Arc::clone(&self.config));
                self.answer(async move {
                    let info = podman.info().await.ok();
                    let inventory = inventory::read(info.as_ref(), &config.state_dir);
                    Some(Input::Inventory(inventory))
                });
            }
            Effect::Run(step) => self.executor.start(step, self.inputs.clone()),
            Effect::Send(batch) => {
                let bus = self.bus.clone();
                self.answer(async move { Some(outbox::send(batch, &bus).await) });
            }
            Effect::Heartbeat(body) => self.bus.heartbeat(body).await,
            Effect::Note(note) => log::write(note),
        }
    }

    fn answer(&self, work: impl Future<Output = Option<Input>> + Send + 'static) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            if let Some(input) = work.await {
                // The loop has ended: so will this.
                let _ = inputs.send(input).await;
            }
        });
    }
}

fn store(mut folder: StateFolder, content: &Content) -> Result<Duration, String> {
    let began = Instant::now();
    let stored = ledger::store(&mut folder, content);
    stored.map_err(|error: LedgerError| error.to_string())?;
    Ok(began.elapsed())
}
