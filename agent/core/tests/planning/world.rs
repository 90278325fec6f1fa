//! A device as a value: containers that do as they are told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet_agent_core::plan::Busy;
use fleet_agent_core::report::report;
use fleet_agent_core::{
    Body, Container, ContainerId, Desired, Done, Failure, Memory, Observed, Outcome, Plan,
    RunState, ServiceKey, Step, Tick, plan,
};
use fleet_contracts::payload::DeviceState;
use fleet_contracts::{DeploymentRef, DeviceReason, Generation, Manifest, Revision, UnixMillis};
use serde_json::{Value, json};

#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) now: Tick,
    pub(crate) desired: Desired,
    pub(crate) observed: Observed,
    pub(crate) memory: Memory,
    pub(crate) missing_images: BTreeSet<String>,
    /// Containers that there are and that cannot be started.
    pub(crate) torn: BTreeSet<ContainerId>,
    /// Whether no new container can be started, either.
    pub(crate) unstartable: bool,
    /// Every step executed, as text.
    pub(crate) done: Vec<String>,
    pub(crate) ids: u64,
}

/// The half of the dice that is always the same.
pub(crate) fn dice() -> f64 {
    0.5
}

pub(crate) fn reference(text: &str) -> DeploymentRef {
    text.parse().expect("reference")
}

/// What a manifest with these deployments, the oldest first, asks for.
pub(crate) fn desired(deployments: &[(&str, Value)]) -> Desired {
    let mut bodies = BTreeMap::new();
    for (name, services) in deployments {
        let score = json!({"PodmanV0": {"services": services}});
        let body = Body {
            revision: Revision::of(&score),
            score: Arc::new(score),
        };
        bodies.insert(reference(name), body);
    }
    let manifest = Manifest {
        schema_version: 1,
        device: "dev-1".parse().expect("id"),
        generation: Generation(1),
        deployments: bodies
            .iter()
            .map(|(r, b)| (r.clone(), b.revision))
            .collect(),
        order: deployments
            .iter()
            .map(|(name, _)| reference(name))
            .collect(),
        announced_keys: vec![],
        retired_keys: vec![],
    };
    Desired::new(&manifest, &bodies, None)
}

impl World {
    pub(crate) fn want(&mut self, deployments: &[(&str, Value)]) {
        self.desired = desired(deployments);
    }

    pub(crate) fn plan(&mut self) -> Plan {
        self.memory
            .observe(&self.desired, &self.observed, self.now, &mut dice);
        plan(
            &self.desired,
            &self.observed,
            &self.memory,
            &Busy::new(),
            self.now,
        )
    }

    /// Plans and executes until nothing is left to be done now.
    pub(crate) fn settle(&mut self) {
        for _ in 0..100 {
            let steps = self.plan().steps;
            if steps.is_empty() {
                return;
            }
            for step in steps {
                self.execute(step);
            }
        }
        panic!("does not come to rest: {:?}", self.done);
    }

    /// Lets time pass up to the moment the planner asked for.
    pub(crate) fn wait(&mut self) {
        let wake = self.plan().wake_at.expect("something to wait for");
        assert!(wake > self.now, "wakes in the past");
        self.now = wake;
        self.settle();
    }

    fn execute(&mut self, step: Step) {
        self.done.push(name(&step));
        let key = step.key().clone();
        let (hash, done) = match step {
            Step::EnsureImage(s) => (Some(s.hash), self.image(s.spec.image.as_str())),
            Step::Remove { id, .. } => (None, Done::Removed { id }),
            Step::Run(s) => {
                self.ids += 1;
                let ports = s
                    .spec
                    .ports
                    .iter()
                    .map(|p| (p.protocol, p.host_port, p.host_ip))
                    .collect();
                let container = Container {
                    key: s.key.clone(),
                    hash: Some(s.hash),
                    name: s.container_name.clone(),
                    state: RunState::Running { started: 0 },
                    ports,
                };
                self.assert_free(&container);
                let id = ContainerId(format!("{:012}", self.ids).into());
                let done = if self.unstartable {
                    let state = RunState::Created;
                    let created = Container { state, ..container };
                    self.observed.containers.insert(id.clone(), created);
                    self.torn.insert(id);
                    not_started()
                } else {
                    Done::Created { id, container }
                };
                (Some(s.hash), done)
            }
            Step::Start { service, id } if self.torn.contains(&id) => {
                (Some(service.hash), not_started())
            }
            Step::Start { service, id } => (Some(service.hash), Done::Started { id }),
            Step::Unpause { service, id } => (Some(service.hash), Done::Unpaused { id }),
            Step::Probe { service, id } => {
                (Some(service.hash), Done::Probed { id, result: Ok(()) })
            }
        };
        let outcome = Outcome { key, hash, done };
        self.observed.apply(&outcome);
        self.memory
            .record(&self.desired, &outcome, self.now, &mut dice);
    }

    fn image(&self, image: &str) -> Done {
        if self.missing_images.contains(image) {
            return Done::Failed(Failure {
                reason: DeviceReason::ImageNotFound,
                message: format!("no {image}"),
            });
        }
        Done::ImageReady
    }

    /// Stale and new never side by side, no name and no port twice.
    fn assert_free(&self, new: &Container) {
        for old in self.observed.containers.values() {
            assert_ne!(old.key, new.key, "{} runs beside its successor", old.name);
            assert_ne!(old.name, new.name, "name taken");
            assert!(
                !old.ports.iter().any(|p| new.ports.contains(p)),
                "port taken by {}",
                old.name
            );
        }
    }

    /// Has a step of a service fail, whatever it was.
    pub(crate) fn fail_change(&mut self, deployment: &str, service: &str, reason: DeviceReason) {
        let key = ServiceKey {
            deployment: reference(deployment),
            service: service.parse().expect("name"),
        };
        let hash = self
            .desired
            .services()
            .find(|s| s.key == key)
            .map(|s| s.hash);
        let done = Done::Failed(Failure {
            reason,
            message: "it failed".into(),
        });
        self.memory.record(
            &self.desired,
            &Outcome { key, hash, done },
            self.now,
            &mut dice,
        );
    }

    pub(crate) fn ended(&mut self, code: i32) {
        for container in self.observed.containers.values_mut() {
            container.state = RunState::Exited { code };
        }
    }

    pub(crate) fn report(&self) -> BTreeMap<String, DeviceState> {
        let states = report(
            &self.desired,
            &self.observed,
            &self.memory,
            None,
            UnixMillis(0),
        );
        states
            .into_iter()
            .map(|(r, s)| (r.to_string(), s))
            .collect()
    }

    pub(crate) fn running(&self) -> Vec<ServiceKey> {
        self.observed
            .containers
            .values()
            .filter(|c| c.state.is_running())
            .map(|c| c.key.clone())
            .collect()
    }

    /// The steps executed since the last time this was asked.
    pub(crate) fn took(&mut self) -> Vec<String> {
        std::mem::take(&mut self.done)
    }
}

fn not_started() -> Done {
    Done::Failed(Failure {
        reason: DeviceReason::StartFailed,
        message: "creating overlay mount".into(),
    })
}

fn name(step: &Step) -> String {
    let verb = match step {
        Step::EnsureImage(_) => "image",
        Step::Remove { .. } => "remove",
        Step::Run(_) => "run",
        Step::Start { .. } => "start",
        Step::Unpause { .. } => "unpause",
        Step::Probe { .. } => "probe",
    };
    format!("{verb} {}", step.key())
}
