//! One device: its engine, its containers, and the sync that it has under way.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use fleet_agent_core::engine::{
    Effect, Engine, Input, Moment, Note, Parcel, Settings, Timing, Took,
};
use fleet_agent_core::sync::{Asking, Gathering, Snapshot};
use fleet_agent_core::{Step, Tick};
use fleet_contracts::payload::Inventory;
use fleet_contracts::{DeploymentRef, Revision, UnixMillis};

use super::runtime::Runtime;
use super::unrest::Disturbed;

/// A simulated device.
#[derive(Debug)]
pub struct Unit {
    settings: Settings,
    engine: Engine,
    runtime: Runtime,
    /// What its sync waits for.
    pub(super) sync: Sync,
    /// What it sent and waits to be stored.
    pub(super) batch: Batch,
    /// Whether it has not told everything over its connection yet.
    pub(super) owes: bool,
    /// Whether its connection is up.
    pub(super) up: bool,
    /// How often its agent was started: what an earlier one asked for is not answered to this one.
    pub(super) life: u32,
    /// What happens to its containers by itself.
    pub(super) disturbed: Option<Disturbed>,
}

/// How far a sync is.
#[derive(Debug, Default)]
pub(super) enum Sync {
    /// None is under way.
    #[default]
    None,
    /// The manifest was asked for.
    Asking(Asking),
    /// So many bodies were asked for and did not come yet.
    Gathering(Box<Gathering>, usize),
}

/// Reports under way.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) left: usize,
    pub(super) acknowledged: Vec<(fleet_agent_core::engine::Item, u64)>,
    pub(super) failed: Option<String>,
}

/// What its surroundings have to do.
#[derive(Debug)]
pub enum Todo {
    /// Begin a sync.
    Sync(Box<Snapshot>),
    /// Store these.
    Send(Vec<Parcel>),
    /// Publish a sign of life.
    Heartbeat(Bytes),
    /// Nothing: a container was created, changed or removed.
    Changed(Step),
    /// Nothing: something was refused.
    Refused(String),
}

impl Unit {
    /// A device that is switched on for the first time.
    pub fn new(settings: Settings, born: Instant) -> Self {
        let mut dice = fastrand::f64;
        Self {
            engine: Engine::new(settings.clone(), Ok(None), &mut moment(born, &mut dice)),
            settings,
            runtime: Runtime::default(),
            sync: Sync::default(),
            batch: Batch::default(),
            owes: false,
            up: false,
            life: 0,
            disturbed: None,
        }
    }

    /// Its agent ends and starts again with other labels in its configuration, which it reads only then.
    /// The ledger and the containers stay.
    pub fn restart(&mut self, labels: BTreeMap<String, String>, born: Instant) {
        self.settings.labels = labels;
        let (settings, ledger) = (self.settings.clone(), self.engine.content().cloned());
        let mut dice = fastrand::f64;
        self.engine = Engine::new(settings, Ok(ledger), &mut moment(born, &mut dice));
        (self.sync, self.batch) = (Sync::default(), Batch::default());
        self.life += 1;
    }

    /// Whether the bus has all that it has to say.
    pub fn is_reported(&self) -> bool {
        self.engine.is_reported()
    }

    /// Whether it follows a Deployment at this revision now.
    pub fn follows(&self, deployment: &DeploymentRef, revision: Revision) -> bool {
        let content = self.engine.content();
        content.and_then(|c| c.manifest.deployments.get(deployment)) == Some(&revision)
    }

    /// Takes in what happened, does all that needs nobody else, and gives the rest.
    pub fn feed(&mut self, input: Option<Input>, born: Instant) -> Vec<Todo> {
        let mut todo = Vec::new();
        let mut inputs: VecDeque<Input> = input.into_iter().collect();
        let mut dice = fastrand::f64;
        if let Some(disturbed) = &mut self.disturbed {
            for input in &inputs {
                disturbed.hear(input);
            }
            inputs.extend(disturbed.strike(&mut self.runtime, tick(born)));
        }
        loop {
            while let Some(input) = inputs.pop_front() {
                self.engine.handle(input, &mut moment(born, &mut dice));
            }
            let effects = self.engine.advance(&mut moment(born, &mut dice));
            if effects.is_empty() {
                let is_reported = self.is_reported();
                if let Some(disturbed) = &mut self.disturbed {
                    disturbed.owes(!is_reported);
                }
                return todo;
            }
            for effect in effects {
                self.perform(effect, &mut inputs, &mut todo);
            }
        }
    }

    /// When to come again if nothing happens before.
    pub fn due(&self) -> Tick {
        let strikes = self.disturbed.as_ref().map(Disturbed::due);
        strikes.map_or(self.engine.due(), |at| at.min(self.engine.due()))
    }

    fn perform(&mut self, effect: Effect, inputs: &mut VecDeque<Input>, todo: &mut Vec<Todo>) {
        match effect {
            Effect::Sync(snapshot) => todo.push(Todo::Sync(Box::new(snapshot))),
            // The disk of a simulated device is the engine's own memory.
            Effect::Store(_) => inputs.push_back(Input::Stored(Ok(Duration::ZERO))),
            Effect::List { epoch } => inputs.push_back(Input::Listed {
                epoch,
                result: Ok(self.runtime.list()),
            }),
            Effect::ReadInventory => inputs.push_back(Input::Inventory(Inventory::default())),
            Effect::Run(step) => {
                let of = (step.key().clone(), step.lane());
                let outcome = self.runtime.execute(step.clone());
                todo.push(Todo::Changed(step));
                inputs.push_back(Input::Done {
                    step: of,
                    outcome,
                    took: Took::new(),
                });
            }
            Effect::Send(parcels) => {
                if let Some(disturbed) = &mut self.disturbed {
                    disturbed.says(&parcels);
                }
                todo.push(Todo::Send(parcels));
            }
            Effect::Heartbeat(body) => todo.push(Todo::Heartbeat(body)),
            Effect::Note(Note::Refused { reason, .. }) => {
                todo.push(Todo::Refused(format!("device refused: {reason:?}")));
            }
            Effect::Note(_) => {}
        }
    }
}

/// The input that ends a sync.
pub(super) fn synced(
    result: Result<fleet_agent_core::sync::Fetched, fleet_agent_core::sync::SyncError>,
) -> Input {
    Input::Synced {
        result,
        timing: Timing::default(),
    }
}

/// Milliseconds since the devices were born.
pub(super) fn tick(born: Instant) -> Tick {
    Tick(u64::try_from(born.elapsed().as_millis()).unwrap_or(u64::MAX))
}

fn moment(born: Instant, dice: &mut dyn FnMut() -> f64) -> Moment<'_> {
    let wall = SystemTime::now().duration_since(UNIX_EPOCH);
    let wall = wall.map_or(0, |since| since.as_millis());
    Moment {
        now: tick(born),
        wall: UnixMillis(u64::try_from(wall).unwrap_or(u64::MAX)),
        dice,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use fleet_agent_core::ledger::{Content, Signed};
    use fleet_agent_core::sync::Fetched;
    use fleet_contracts::{Generation, Manifest};

    use super::*;

    fn told(generation: u64, deployments: &[(DeploymentRef, Revision)]) -> Input {
        let manifest = Manifest {
            schema_version: 1,
            device: device(),
            generation: Generation(generation),
            deployments: deployments.iter().cloned().collect(),
            order: vec![],
            announced_keys: vec![],
            retired_keys: vec![],
        };
        let content = Content {
            manifest,
            signed: Signed::default(),
            bodies: BTreeMap::new(),
            learned: fleet_agent_core::trust::Learned::default(),
            departed: BTreeSet::new(),
        };
        synced(Ok(Fetched {
            content: Some(content),
            refused: None,
        }))
    }

    fn device() -> fleet_contracts::DeviceId {
        "sim-1"
            .parse()
            .unwrap_or_else(|error| unreachable!("{error}"))
    }

    #[test]
    fn a_revision_is_followed_until_there_is_another() {
        let born = Instant::now();
        let settings = Settings {
            device: device(),
            labels: BTreeMap::new(),
            trusted: vec![],
            heartbeat: 1_000,
            default_host_ip: None,
        };
        let fleet = crate::fleet::Fleet::new(40, 8, 7);
        let fleet = fleet.unwrap_or_else(|error| unreachable!("{error}"));
        let reference = fleet.workloads[0].reference.clone();
        let (first, second) = (fleet.workloads[0].revision, fleet.workloads[1].revision);
        let mut unit = Unit::new(settings, born);
        assert!(!unit.follows(&reference, first));
        unit.feed(Some(told(1, &[(reference.clone(), first)])), born);
        assert!(unit.follows(&reference, first));
        unit.feed(Some(told(2, &[(reference.clone(), second)])), born);
        assert!(!unit.follows(&reference, first));
        assert!(unit.follows(&reference, second));
        unit.feed(Some(told(3, &[])), born);
        assert!(!unit.follows(&reference, second));
    }
}
