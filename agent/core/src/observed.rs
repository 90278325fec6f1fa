//! What runs on the device, by our own labels.

use std::collections::BTreeMap;
use std::net::IpAddr;

use fleet_contracts::Revision;
use fleet_contracts::score::Protocol;

use crate::claims::PortClaim;
use crate::desired::ServiceKey;
use crate::memory::{Done, Outcome};

/// podman's id of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContainerId(pub Box<str>);

impl ContainerId {
    /// The first 12 digits, as people know them.
    pub fn short(&self) -> &str {
        self.0.get(..12).unwrap_or(&self.0)
    }
}

/// Whether a container's main process is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunState {
    /// Never started, or forgotten by a reboot.
    Created,
    /// Alive. `started` is podman's time in seconds; 0 when not known yet.
    Running {
        /// When this run began.
        started: i64,
    },
    /// Frozen by hand.
    Paused,
    /// Ended.
    Exited {
        /// Its exit code.
        code: i32,
    },
    /// On its way from one to another, or broken.
    Other,
}

impl RunState {
    /// Whether the main process is alive.
    pub const fn is_running(self) -> bool {
        matches!(self, Self::Running { .. })
    }
}

/// A container that carries our labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// What it was created for.
    pub key: ServiceKey,
    /// The hash of the service it was created from; none if the label is gone or garbled.
    pub hash: Option<Revision>,
    /// Its name.
    pub name: String,
    /// Whether it runs.
    pub state: RunState,
    /// The host ports it holds while it runs.
    pub ports: Vec<(Protocol, u16, Option<IpAddr>)>,
}

impl Container {
    pub(crate) fn claims(&self) -> impl Iterator<Item = PortClaim> + '_ {
        self.ports
            .iter()
            .map(|&(protocol, port, ip)| PortClaim::new(protocol, port, ip))
    }
}

/// Our containers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// By podman's id.
    pub containers: BTreeMap<ContainerId, Container>,
}

impl Observed {
    /// Takes over what a step did, so that the next plan needs no new listing.
    pub fn apply(&mut self, outcome: &Outcome) {
        match &outcome.done {
            Done::Created { id, container } => {
                self.containers.insert(id.clone(), container.clone());
            }
            Done::Started { id } | Done::Unpaused { id } => {
                if let Some(container) = self.containers.get_mut(id) {
                    container.state = RunState::Running { started: 0 };
                }
            }
            Done::Removed { id } => {
                self.containers.remove(id);
            }
            Done::ImageReady | Done::Probed { .. } | Done::Failed(_) => {}
        }
    }

    /// The containers created for a service, whatever their hash.
    pub fn of<'o>(
        &'o self,
        key: &'o ServiceKey,
    ) -> impl Iterator<Item = (&'o ContainerId, &'o Container)> {
        self.containers.iter().filter(move |(_, c)| c.key == *key)
    }
}
