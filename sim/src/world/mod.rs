//! The world: servers, operators, devices and the network between them, one event after the other.

mod device;
mod faults;
mod listen;
mod machine;
mod network;
mod operator;
mod pending;
mod people;
mod steps;
mod watches;
mod writes;

pub use faults::Cut;
pub use machine::Machine;
pub use operator::Operator;

use std::collections::BTreeMap;
use std::sync::Arc;

use fleet_agent_core::sync::Doorbell;
use fleet_contracts::UnixMillis;
use fleet_contracts::signing::ManifestSigner;

use crate::api::Api;
use crate::bus::Bus;
use crate::check::Witness;
use crate::dice::Dice;
use crate::letter::{Peer, Request, Response};
use crate::schedule::Schedule;
use crate::trace::Trace;
use crate::{Cast, Setup};
use machine::MachineEvent;
use network::Way;
use watches::{Line, Told};

/// When worlds begin, by the wall clock: 2027-01-15.
pub const START: u64 = 1_800_000_000_000;

/// Something that happens.
#[derive(Debug)]
pub enum Event {
    /// A request arrives at its server.
    Arrive {
        /// Who asked, and in which life.
        from: (Peer, u32),
        /// To find the question again.
        token: u64,
        /// What.
        request: Request,
    },
    /// An answer arrives.
    Answer {
        /// Who asked, and in which life.
        to: (Peer, u32),
        /// To find the question again.
        token: u64,
        /// What.
        response: Response,
    },
    /// A watch tells a replica something.
    Told {
        /// The replica.
        replica: usize,
        /// Which opening of the watch.
        opening: u64,
        /// Which watch.
        line: Line,
        /// What.
        told: Told,
    },
    /// A replica opens a watch.
    Open(usize, u32, Line),
    /// Time for a replica to look at its queues.
    Turn(usize, u32),
    /// Time for a replica to look at the Lease.
    Election(usize, u32),
    /// A replica starts.
    Start(usize, u32),
    /// A replica that was paused may go on.
    Resume(usize),
    /// A device is told that its manifest changed.
    Doorbell(usize, u32, Box<Doorbell>),
    /// Something happens on a device.
    Machine(usize, u32, MachineEvent),
    /// People or nature do something.
    Chance,
    /// Something that was cut is whole again.
    Mend(Cut),
}

/// Longer than anything takes over the network while nothing happens, in milliseconds.
const SLOWEST_AT_REST: u64 = 1_000;

/// What the world does by chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Season {
    /// People change things and everything fails.
    Changes,
    /// Everything fails, and nobody changes anything.
    Faults,
    /// Nothing happens.
    Rest,
}

/// All of it.
#[derive(Debug)]
pub struct World {
    /// Milliseconds since its beginning.
    pub now: u64,
    /// How many events have happened.
    pub steps: u64,
    /// What it does by chance.
    pub season: Season,
    /// The API server.
    pub api: Api,
    /// The bus.
    pub bus: Bus,
    /// The replicas of the operator.
    pub operators: Vec<Operator>,
    /// The devices.
    pub machines: Vec<Machine>,
    /// Who looks at all of it.
    pub witness: Witness,
    /// What happened last.
    pub trace: Trace,
    setup: Setup,
    cast: Cast,
    dice: Dice,
    schedule: Schedule<Event>,
    signer: Arc<ManifestSigner>,
    tokens: u64,
    openings: u64,
    /// When the last thing that was sent over each connection to the bus arrives.
    connections: BTreeMap<(Peer, Way), u64>,
    /// Questions up to this one were asked over connections that are broken.
    broken_at: u64,
    /// Requests on their way to a server.
    under_way: usize,
    /// Whether nobody has changed anything since all was as it should be.
    settled: bool,
}

impl World {
    /// At the beginning: nothing but servers, two replicas and devices that start.
    pub fn new(seed: u64, setup: Setup, cast: &Cast, trace: Trace) -> Self {
        let mut dice = Dice::new(seed);
        let signer = Arc::new(ManifestSigner::from_seed(&[7; 32]));
        let devices = 2 + dice.place(3);
        let mut world = Self {
            now: 0,
            steps: 0,
            season: Season::Changes,
            api: Api::default(),
            bus: Bus::new(!setup.unconditional_writes),
            operators: (0..2).map(|_| Operator::new(&signer, &mut dice)).collect(),
            machines: Vec::new(),
            witness: Witness::default(),
            trace,
            setup,
            cast: cast.clone(),
            schedule: Schedule::default(),
            signer,
            tokens: 0,
            openings: 0,
            connections: BTreeMap::new(),
            broken_at: 0,
            under_way: 0,
            settled: false,
            dice,
        };
        for id in cast.devices.iter().take(devices) {
            let machine = Machine::new(id.clone(), world.setup, &mut world.dice);
            world.machines.push(machine);
            world.boot(world.machines.len() - 1);
        }
        for replica in 0..world.operators.len() {
            world.start(replica);
        }
        world.schedule.add(0, Event::Chance);
        world
    }

    /// Lets the next event happen, unless it is later than `until`. Answers whether it did.
    pub fn step(&mut self, until: u64) -> bool {
        if self.schedule.next_at().is_none_or(|at| at > until) {
            self.now = self.now.max(until);
            return false;
        }
        let Some((at, event)) = self.schedule.pop() else {
            return false;
        };
        self.now = self.now.max(at);
        self.steps += 1;
        if let Some(event) = self.postponed(event) {
            self.happen(event);
        }
        true
    }

    fn happen(&mut self, event: Event) {
        self.trace.event(self.now, &event);
        match event {
            Event::Arrive {
                from,
                token,
                request,
            } => self.arrive(from, token, request),
            Event::Answer {
                to: (peer, life),
                token,
                response,
            } => match peer {
                Peer::Operator(replica) if self.operators[replica].life == life => {
                    let response = self.heard(token, response);
                    self.operator_answered(replica, token, &response);
                }
                Peer::Device(place) if self.machines[place].life == life => {
                    self.device_answered(place, token, response);
                }
                _ => {}
            },
            Event::Told {
                replica,
                opening,
                line,
                told,
            } => self.told(replica, opening, line, told),
            Event::Open(replica, life, line) if self.operators[replica].life == life => {
                self.open(replica, line);
            }
            // Unless another one was due earlier, and has looked.
            Event::Turn(replica, life)
                if self.operators[replica].life == life
                    && self.operators[replica].turn_at == Some(self.now) =>
            {
                self.operators[replica].turn_at = None;
                self.turn(replica);
            }
            Event::Election(replica, life) if self.operators[replica].life == life => {
                self.look_at_lease(replica);
            }
            Event::Start(replica, life) if self.operators[replica].life == life => {
                self.start(replica);
            }
            Event::Doorbell(place, life, doorbell) if self.machines[place].life == life => {
                self.doorbell(place, *doorbell);
            }
            Event::Machine(place, life, event) if self.machines[place].life == life => {
                self.machine_event(place, event);
            }
            Event::Resume(replica) => self.resume(replica),
            Event::Chance => self.chance(),
            Event::Mend(cut) => self.mend(cut),
            // Of an earlier life.
            _ => {}
        }
    }

    /// Whether somebody has yet to hear something that was sent while the network was slow.
    pub fn is_late(&self) -> bool {
        self.schedule
            .after(self.now + SLOWEST_AT_REST)
            .any(|event| {
                matches!(
                    event,
                    Event::Answer { .. } | Event::Told { .. } | Event::Doorbell(..)
                )
            })
    }

    /// Whether nothing is on its way to a server that could change something later.
    pub const fn is_quiet(&self) -> bool {
        self.under_way == 0
    }

    /// Whether nobody has changed anything since all was as it should be.
    pub const fn is_settled(&self) -> bool {
        self.settled
    }

    fn wall(&self) -> UnixMillis {
        UnixMillis(START + self.now)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        self.trace.note(self.now, line);
    }
}
