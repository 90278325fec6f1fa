//! A device: its agent, its disk, its containers, its network.

use std::collections::BTreeMap;

use fleet_agent_core::engine::{Engine, Input, Item, Moment, Settings};
use fleet_agent_core::ledger::{self, Content};
use fleet_agent_core::sync::{Asking, Gathering};
use fleet_agent_core::{Container, ContainerId, Observed, RunState, Step, Tick};
use fleet_contracts::{DeviceId, Generation, UnixMillis};

use super::{Event, START, World};
use crate::Setup;
use crate::dice::Dice;
use crate::disk::Disk;

/// Milliseconds between heartbeats.
const HEARTBEAT: u64 = 30_000;
/// What devices say of themselves.
pub(super) const SITES: [&str; 3] = ["lyon", "oslo", "riga"];

/// One device.
#[derive(Debug)]
pub struct Machine {
    /// Its name.
    pub id: DeviceId,
    /// Counts the starts of its agent; what was under way in one life is gone in the next.
    pub life: u32,
    /// Its agent; none while it is down.
    pub engine: Option<Engine>,
    /// Where the ledger is.
    pub disk: Disk,
    /// What podman has.
    pub containers: BTreeMap<ContainerId, Container>,
    /// How often each could not be started in a row.
    pub in_vain: BTreeMap<ContainerId, u32>,
    /// Whether there is a network.
    pub online: bool,
    /// What it says of itself.
    pub labels: BTreeMap<String, String>,
    /// The highest generation that its disk was asked to keep and that it said it keeps.
    pub kept: Option<Generation>,
    /// When its power came back last.
    pub powered_at: u64,
    pub(super) made: u64,
    pub(super) wake_at: Option<u64>,
    pub(super) sync: Option<Sync>,
    pub(super) sending: Option<Sending>,
    /// What is being written to the disk.
    pub(super) storing: Option<Content>,
    pub(super) asked: BTreeMap<u64, Asked>,
    /// Its wall clock is so much ahead, in milliseconds.
    ahead: u64,
}

/// A sync under way.
#[derive(Debug)]
pub(super) enum Sync {
    Asking(Asking),
    Gathering(Box<Gathering>, usize),
}

/// A batch of the outbox under way.
#[derive(Debug, Default)]
pub(super) struct Sending {
    pub(super) waiting: usize,
    pub(super) acknowledged: Vec<(Item, u64)>,
    pub(super) failed: Option<String>,
}

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Asked {
    Manifest,
    Entry(fleet_contracts::kv::EntryKey),
    Parcel(Item, u64),
}

/// Something that happens on a device.
#[derive(Debug)]
pub enum MachineEvent {
    /// The agent wants to be called.
    Wake,
    /// The connection to the bus stands.
    Connected,
    /// The connection to the bus is known to be gone.
    Disconnected,
    /// The manifest is to be asked for again.
    AskAgain,
    /// The ledger is written.
    Stored,
    /// podman makes a list.
    List(u64),
    /// The list arrives.
    Listed(u64, Observed),
    /// A step takes effect.
    Act(Step),
    /// What came of a step arrives.
    Acted(Box<Input>),
    /// The inventory was read.
    Inventory,
    /// The agent starts.
    Boot,
}

impl Machine {
    /// A new device, switched off.
    pub fn new(id: DeviceId, setup: Setup, dice: &mut Dice) -> Self {
        let site = dice.pick(&SITES).copied().unwrap_or_default();
        Self {
            id,
            life: 0,
            engine: None,
            disk: Disk::new(setup.careless_disk),
            containers: BTreeMap::new(),
            in_vain: BTreeMap::new(),
            online: true,
            labels: [("site".to_owned(), site.to_owned())].into(),
            kept: None,
            powered_at: 0,
            made: 0,
            wake_at: None,
            sync: None,
            sending: None,
            storing: None,
            asked: BTreeMap::new(),
            ahead: dice.below(60_000),
        }
    }

    /// The clocks of the device.
    pub(super) const fn clocks(&self, now: u64) -> (Tick, UnixMillis) {
        (Tick(now), UnixMillis(START + now + self.ahead))
    }
}

impl World {
    /// Lets a device do something now, by its own clocks and with the world's dice.
    pub(super) fn at_moment<R>(
        &mut self,
        place: usize,
        what: impl FnOnce(&mut Machine, &mut Moment<'_>) -> R,
    ) -> R {
        let machine = &mut self.machines[place];
        let (now, wall) = machine.clocks(self.now);
        let dice = &mut self.dice;
        let mut roll = || dice.unit();
        let mut at = Moment {
            now,
            wall,
            dice: &mut roll,
        };
        what(machine, &mut at)
    }

    /// The agent starts and reads the ledger.
    pub(super) fn boot(&mut self, place: usize) {
        let trusted = vec![self.signer.trusted()];
        let machine = &mut self.machines[place];
        machine.life += 1;
        machine.sync = None;
        machine.sending = None;
        machine.storing = None;
        machine.wake_at = None;
        machine.asked.clear();
        let (_, wall) = machine.clocks(self.now);
        let loaded = ledger::load(&mut machine.disk, &machine.id, &trusted, wall);
        let loaded = loaded.map_err(|error| error.to_string());
        self.witness.loaded(machine, loaded.as_ref());
        let settings = Settings {
            device: machine.id.clone(),
            labels: machine.labels.clone(),
            trusted,
            heartbeat: HEARTBEAT,
            default_host_ip: None,
        };
        let life = machine.life;
        self.at_moment(place, |machine, at| {
            machine.engine = Some(Engine::new(settings, loaded, at));
        });
        let connect = self.dice.between(10, 3_000);
        let event = Event::Machine(place, life, MachineEvent::Connected);
        self.schedule.add(self.now + connect, event);
        self.note(|| format!("dev-{place} starts, life {life}"));
        self.advance(place);
    }

    /// The agent ends, by itself or with the power.
    pub(super) fn stop_agent(&mut self, place: usize, back: u64) {
        let machine = &mut self.machines[place];
        if machine.engine.take().is_none() {
            return;
        }
        machine.life += 1;
        let event = Event::Machine(place, machine.life, MachineEvent::Boot);
        self.schedule.add(self.now + back, event);
    }

    /// The power goes, also in the middle of writing the ledger.
    pub(super) fn power_cut(&mut self, place: usize, back: u64) {
        let operations = self.dice.place(4);
        let machine = &mut self.machines[place];
        if let Some(content) = machine.storing.take() {
            machine.disk.fails_after(operations);
            // Whether it came to an end, nobody is there to hear.
            let _ = ledger::store(&mut machine.disk, &content);
        }
        machine.disk.power_cut(&mut self.dice);
        machine.powered_at = self.now + back;
        for container in machine.containers.values_mut() {
            if container.state.is_running() {
                container.state = RunState::Exited { code: 137 };
            }
        }
        self.stop_agent(place, back);
    }
}
