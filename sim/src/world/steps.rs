//! podman, in memory: what the steps of a device do to its containers.

use std::sync::Arc;

use fleet_agent_core::engine::Input;
use fleet_agent_core::{
    Container, ContainerId, DesiredService, Done, Failure, Outcome, RunState, ServiceKey, Step,
};
use fleet_contracts::{DeviceReason, Revision};

use super::device::took;
use super::{START, Season, World};

impl World {
    /// A step takes effect, or fails.
    pub(super) fn act(&mut self, place: usize, step: Step) {
        let lane = (step.key().clone(), step.lane());
        let (key, hash) = (step.key().clone(), hash_of(&step));
        let fails = self.season == Season::Changes && self.dice.chance(50);
        let done = if fails {
            if let Step::Start { id, .. } = &step {
                *self.machines[place].in_vain.entry(id.clone()).or_default() += 1;
            }
            failure(&step)
        } else {
            self.done(place, step)
        };
        let outcome = Outcome { key, hash, done };
        let input = Input::Done {
            step: lane,
            outcome,
            took: took(),
        };
        self.acted(place, input);
    }

    fn done(&mut self, place: usize, step: Step) -> Done {
        match step {
            Step::EnsureImage(_) => Done::ImageReady,
            Step::Remove { id, .. } => {
                self.machines[place].containers.remove(&id);
                self.machines[place].in_vain.remove(&id);
                Done::Removed { id }
            }
            Step::Run(service) => self.run(place, &service),
            Step::Start { id, .. } => {
                self.set_running(place, &id);
                Done::Started { id }
            }
            Step::Unpause { id, .. } => {
                self.set_running(place, &id);
                Done::Unpaused { id }
            }
            Step::Probe { id, .. } => Done::Probed { id, result: Ok(()) },
        }
    }

    fn run(&mut self, place: usize, service: &Arc<DesiredService>) -> Done {
        let started = self.seconds();
        let machine = &mut self.machines[place];
        let same_name = |c: &Container| c.name == service.container_name;
        if machine.containers.values().any(same_name) {
            return Done::Failed(Failure {
                reason: DeviceReason::CreateFailed,
                message: "the name is taken".to_owned(),
            });
        }
        machine.made += 1;
        let id = ContainerId(format!("{place:04}{:08}", machine.made).into());
        let mut container = Container {
            key: service.key.clone(),
            hash: Some(service.hash),
            name: service.container_name.clone(),
            state: RunState::Running { started },
            ports: vec![],
        };
        machine.containers.insert(id.clone(), container.clone());
        container.state = RunState::Running { started: 0 };
        self.check_containers(place);
        Done::Created { id, container }
    }

    fn set_running(&mut self, place: usize, id: &ContainerId) {
        let started = self.seconds();
        if let Some(container) = self.machines[place].containers.get_mut(id) {
            container.state = RunState::Running { started };
        }
        self.machines[place].in_vain.remove(id);
    }

    fn seconds(&self) -> i64 {
        i64::try_from((START + self.now) / 1_000).unwrap_or(i64::MAX)
    }

    /// A container's process ends, or somebody removes the container.
    pub(super) fn container_ends(&mut self, place: usize, by_hand: bool) {
        let machine = &mut self.machines[place];
        let ids: Vec<_> = machine.containers.keys().cloned().collect();
        let Some(id) = self.dice.pick(&ids) else {
            return;
        };
        if by_hand {
            machine.containers.remove(id);
        } else if let Some(container) = machine.containers.get_mut(id) {
            container.state = RunState::Exited { code: 1 };
        }
        self.containers_changed(place);
    }
}

fn hash_of(step: &Step) -> Option<Revision> {
    match step {
        Step::EnsureImage(service)
        | Step::Run(service)
        | Step::Start { service, .. }
        | Step::Unpause { service, .. }
        | Step::Probe { service, .. } => Some(service.hash),
        Step::Remove { .. } => None,
    }
}

fn failure(step: &Step) -> Done {
    let reason = match step {
        Step::EnsureImage(_) => DeviceReason::PullFailed,
        Step::Run(_) => DeviceReason::CreateFailed,
        _ => DeviceReason::StartFailed,
    };
    let key: &ServiceKey = step.key();
    Done::Failed(Failure {
        reason,
        message: format!("{key} had bad luck"),
    })
}
