//! Runs replicas of the operator and devices in one process, on a simulated API server, bus, network
//! and disk, and looks after every step whether the invariants hold.
//!
//! What decides is the very code of the products: [`fleet_operator_core::replica`] and
//! [`fleet_agent_core::engine`]. What is simulated is what surrounds them. Time is virtual and
//! everything by chance comes from one seed, so what fails once fails again. It must never look at a
//! clock, at the machine it runs on, or at anything else that could differ the next time.
//!
//! | module | what it is |
//! |---|---|
//! | [`world`] | everything that happens, one event after the other |
//! | [`api`] | the API server |
//! | [`bus`] | the buckets |
//! | [`disk`] | a device's disk |
//! | [`letter`] | requests and answers |
//! | [`check`] | what must hold |
//! | [`dice`], [`schedule`], [`trace`] | chance, time, memory |

#![allow(clippy::similar_names, reason = "a shelf, and self")]

pub mod api;
pub mod bus;
pub mod check;
pub mod dice;
pub mod disk;
pub mod letter;
pub mod schedule;
pub mod trace;
pub mod world;

use fleet_contracts::id::InvalidName;
use fleet_contracts::{DeploymentRef, DeviceId};

use check::Violation;
use dice::Dice;
use trace::Trace;
use world::{Season, World};

/// From look to look whether all is at rest, in milliseconds.
const LOOK: u64 = 5_000;
/// Within which all must be at rest: devices ask again within 15 minutes, and what nobody asks for is
/// kept for ten.
const PATIENCE: u64 = 45 * 60 * 1_000;

/// What is wrong with the simulated world on purpose, to see that it is noticed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Setup {
    /// The bus takes conditional writes whatever their condition.
    pub unconditional_writes: bool,
    /// Disks say that content is kept when it is not.
    pub careless_disk: bool,
}

/// Who takes part.
#[derive(Debug, Clone)]
pub struct Cast {
    /// Devices; not all of them in every world.
    pub devices: Vec<DeviceId>,
    /// Deployments that people may make.
    pub deployments: Vec<DeploymentRef>,
}

impl Cast {
    /// The usual one.
    ///
    /// # Errors
    /// Never: the names are good ones.
    pub fn usual() -> Result<Self, InvalidName> {
        let devices = ["dev-0", "dev-1", "dev-2", "dev-3"];
        let deployments = ["shop.web", "shop.db", "lab.web", "lab.cam"];
        Ok(Self {
            devices: devices
                .iter()
                .map(|d| d.parse())
                .collect::<Result<_, _>>()?,
            deployments: deployments
                .iter()
                .map(|d| d.parse())
                .collect::<Result<_, _>>()?,
        })
    }
}

/// A world that came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many events happened.
    pub steps: u64,
    /// How long it took, in virtual milliseconds.
    pub lasted: u64,
    /// Tells its history from others.
    pub digest: u64,
}

/// A world in which something was that must not be.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What.
    pub violation: Violation,
    /// When, in virtual milliseconds.
    pub at: u64,
    /// After so many events.
    pub steps: u64,
    /// What happened before, if it was to be remembered.
    pub trace: Vec<String>,
}

/// Lets one world happen. Of its history, the last `lines` are remembered.
///
/// # Errors
/// When an invariant does not hold.
pub fn run(seed: u64, setup: Setup, cast: &Cast, lines: usize) -> Result<Summary, Box<Failure>> {
    let world = World::new(seed, setup, cast, Trace::keeping(lines));
    let mut history = History {
        world,
        dice: Dice::new(!seed),
    };
    history.run().map_err(|violation| {
        let world = &history.world;
        Box::new(Failure {
            violation,
            at: world.now,
            steps: world.steps,
            trace: world.trace.lines().map(str::to_owned).collect(),
        })
    })
}

/// The seasons of a world.
struct History {
    world: World,
    dice: Dice,
}

impl History {
    fn run(&mut self) -> Result<Summary, Violation> {
        self.season(Season::Changes)?;
        self.rest()?;
        self.world.settle();
        self.season(Season::Faults)?;
        self.rest()?;
        Ok(Summary {
            steps: self.world.steps,
            lasted: self.world.now,
            digest: self.world.trace.digest(),
        })
    }

    fn season(&mut self, season: Season) -> Result<(), Violation> {
        self.world.begin(season);
        let lasts = self.dice.between(20_000, 120_000);
        self.until(self.world.now + lasts)
    }

    fn until(&mut self, end: u64) -> Result<(), Violation> {
        while self.world.step(end) {
            if let Some(violation) = self.world.witness.violation.take() {
                return Err(violation);
            }
        }
        Ok(())
    }

    fn rest(&mut self) -> Result<(), Violation> {
        self.world.begin(Season::Rest);
        let end = self.world.now + PATIENCE;
        loop {
            self.until(self.world.now + LOOK)?;
            let unrest = self.world.unrest();
            if unrest.is_empty() {
                return Ok(());
            }
            if self.world.now >= end {
                let what = unrest.join("\n  ");
                return Err(Violation { invariant: 3, what });
            }
        }
    }
}
