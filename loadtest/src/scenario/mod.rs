//! What is done to the platform, one module each, and what they have in common.

mod agents;
mod churn;
mod cold;
mod drive;
mod failover;
mod fanout;
mod idle;
mod labels;
mod live;
mod many;
mod mixed;
mod raw;
mod rest;
mod seen;
mod setup;
mod storm;
mod verdict;

use std::sync::Arc;
use std::time::Duration;

use crate::Error;
use crate::device::Unrest;
use crate::fleet::{Fleet, Truth};
use crate::platform::Platform;
use crate::progress::Progress;
use crate::record::Record;
use crate::report::{Parameters, Scenario};
use crate::wire::{Ramp, Writer};

/// How long a step of setting up may take, and statuses in the end, before that counts as wrong; twice
/// and three times as long with so many devices more. Each is an object, and a busy API server takes two
/// hundred of those a second.
const PATIENCE: Duration = Duration::from_secs(900);
const DEVICES: usize = 50_000;

/// What a scenario works with.
#[derive(Debug, Clone)]
pub struct Scene {
    /// What was asked for.
    pub parameters: Arc<Parameters>,
    /// The devices and Deployments.
    pub fleet: Arc<Fleet>,
    /// What devices know to be stored.
    pub truth: Arc<Truth>,
    /// The notes.
    pub record: Record,
    /// What a person sees.
    pub progress: Arc<Progress>,
    /// What devices send.
    pub writer: Writer,
    /// How long devices wait between attempts to connect.
    pub ramp: Ramp,
    /// What happens to containers by itself, where something does.
    pub unrest: Option<Unrest>,
}

impl Scene {
    /// The fleet of these parameters.
    ///
    /// # Errors
    /// When the fleet that they ask for is invalid.
    pub fn new(
        parameters: Parameters,
        record: Record,
        progress: Arc<Progress>,
    ) -> Result<Self, Error> {
        let Parameters {
            devices,
            deployments,
            seed,
            ..
        } = parameters;
        let fleet = match parameters.scenario {
            Scenario::Many => Fleet::with_tail(devices, deployments, seed)?,
            _ => Fleet::new(devices, deployments, seed)?,
        };
        Ok(Self {
            truth: Arc::new(Truth::new(&fleet)),
            fleet: Arc::new(fleet),
            parameters: Arc::new(parameters),
            record,
            progress,
            writer: Writer::new()?,
            ramp: Ramp::default(),
            unrest: None,
        })
    }

    /// The device that keeps something to itself, to see that the checks find out.
    fn withheld(&self) -> Option<usize> {
        let id = self.parameters.withheld.as_deref()?;
        let devices = &self.fleet.devices;
        devices.iter().position(|device| device.id.as_ref() == id)
    }

    /// How long statuses may take in the end; not long where they have to be wrong.
    fn patience(&self) -> Duration {
        match self.parameters.withheld {
            Some(_) => Duration::from_secs(10),
            None => self.long(),
        }
    }

    /// How long a step may take with a fleet of this size.
    fn long(&self) -> Duration {
        let more = u32::try_from(self.fleet.devices.len() / DEVICES);
        PATIENCE.saturating_mul(more.unwrap_or(u32::MAX).saturating_add(1))
    }

    fn rest(&self) -> rest::Rest {
        rest::Rest::of(self.fleet.workloads.len())
    }

    /// Does what was asked for, from starting the servers on. It may be dropped at any point: what it
    /// found out by then is in the record.
    ///
    /// # Errors
    /// When the platform could not be brought so far that there is something to check.
    pub async fn play(&self) -> Result<(), Error> {
        let name = format!("load-{}", self.parameters.scenario);
        let starting = Platform::start(&name, &self.parameters, &self.progress);
        let platform = Box::pin(starting).await?;
        platform.versions(&self.record).await;
        self.record.count("pairs", self.fleet.pairs.len() as u64);
        let played = self.play_on(&platform).await;
        if let Some(door) = &platform.door {
            door.note(&self.record).await;
        }
        played
    }

    async fn play_on(&self, platform: &Platform) -> Result<(), Error> {
        match self.parameters.scenario {
            Scenario::Churn => Box::pin(churn::play(self, platform)).await,
            Scenario::Fanout => Box::pin(fanout::play(self, platform)).await,
            Scenario::Cold => Box::pin(cold::play(self, platform)).await,
            Scenario::Idle => Box::pin(idle::play(self, platform)).await,
            Scenario::Storm => Box::pin(storm::play(self, platform)).await,
            Scenario::Many => Box::pin(many::play(self, platform)).await,
            Scenario::Labels => Box::pin(labels::play(self, platform)).await,
            Scenario::Mixed => Box::pin(mixed::play(self, platform)).await,
            Scenario::Failover => Box::pin(failover::play(self, platform)).await,
        }
    }
}
