//! Containers in memory.

use fleet_agent_core::{
    Container, ContainerId, DesiredService, Done, Observed, Outcome, RunState, Step,
};

/// The containers of one device.
#[derive(Debug, Default)]
pub struct Runtime {
    observed: Observed,
    made: u64,
}

impl Runtime {
    /// All of them.
    pub fn list(&self) -> Observed {
        self.observed.clone()
    }

    /// One of the containers is stuck between two states, or no longer if it was; false if there is none.
    /// The agent leaves such a one alone, and reports it as starting.
    pub fn turn(&mut self, number: usize) -> bool {
        let containers = &mut self.observed.containers;
        let count = containers.len().max(1);
        let Some(container) = containers.values_mut().nth(number % count) else {
            return false;
        };
        container.state = if container.state.is_running() {
            RunState::Other
        } else {
            RunState::Running { started: 0 }
        };
        true
    }

    /// Does at once what podman would take its time for; it never fails.
    pub fn execute(&mut self, step: Step) -> Outcome {
        let outcome = match step {
            // The fleet's Deployments have no healthchecks, so a probe finds nothing.
            Step::EnsureImage(service) | Step::Probe { service, .. } => {
                outcome(&service, Done::ImageReady)
            }
            Step::Remove { key, id } => Outcome {
                key,
                hash: None,
                done: Done::Removed { id },
            },
            Step::Run(service) => {
                self.made += 1;
                let id = ContainerId(format!("{:012x}", self.made).into());
                let container = describe(&service);
                outcome(&service, Done::Created { id, container })
            }
            Step::Start { service, id } => outcome(&service, Done::Started { id }),
            Step::Unpause { service, id } => outcome(&service, Done::Unpaused { id }),
        };
        self.observed.apply(&outcome);
        outcome
    }
}

fn describe(service: &DesiredService) -> Container {
    Container {
        key: service.key.clone(),
        hash: Some(service.hash),
        name: service.container_name.clone(),
        state: RunState::Running { started: 0 },
        ports: vec![],
    }
}

fn outcome(service: &DesiredService, done: Done) -> Outcome {
    Outcome {
        key: service.key.clone(),
        hash: Some(service.hash),
        done,
    }
}
