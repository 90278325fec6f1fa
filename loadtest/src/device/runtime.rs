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
