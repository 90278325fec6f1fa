//! What must hold after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet_agent_core::ledger::Content;
use fleet_agent_core::{Desired, DesiredService, Step};
use fleet_api::DeploymentStatus;
use fleet_contracts::kv::Bucket;
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Manifest, Revision};

use crate::bus::Message;
use crate::dice::Dice;
use crate::world::{Machine, World};

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant of ARCHITECTURE.md, by its number.
    pub invariant: u8,
    /// What was seen.
    pub what: String,
}

/// What was seen so far, and the first thing that must not be.
#[derive(Debug, Default)]
pub struct Witness {
    /// The first violation.
    pub violation: Option<Violation>,
    /// All manifests that were ever signed, by device.
    signed: BTreeMap<DeviceId, Vec<Vec<u8>>>,
    /// What each device followed last in its present life.
    followed: BTreeMap<DeviceId, (u32, Generation)>,
    /// The services that each device's disk keeps.
    kept: BTreeMap<DeviceId, Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    services: BTreeSet<Revision>,
    /// The last ledger could not be written; it is followed regardless.
    unwritable: bool,
}

impl Witness {
    /// Notes a violation, if it is the first.
    pub fn violated(&mut self, invariant: u8, what: impl FnOnce() -> String) {
        if self.violation.is_none() {
            let what = what();
            self.violation = Some(Violation { invariant, what });
        }
    }

    /// A manifest was signed.
    pub fn signed(&mut self, manifest: &Manifest, body: &[u8]) {
        let bodies = self.signed.entry(manifest.device.clone()).or_default();
        bodies.push(body.to_vec());
    }

    /// One of a device's manifests, as somebody may have copied it.
    pub fn replay(&self, device: &DeviceId, dice: &mut Dice) -> Option<Vec<u8>> {
        dice.pick(self.signed.get(device)?).cloned()
    }

    /// The bus stored a message; of a device, or of somebody else.
    pub fn stored(&mut self, bucket: Bucket, writer: Option<&DeviceId>, message: &Message) {
        let Some(device) = writer else { return };
        let owner = message.key.split('.').next();
        if bucket == Bucket::DesiredState || owner != Some(device.as_str()) {
            let key = &message.key;
            self.violated(4, || format!("{device} wrote {key} of {}", bucket.name()));
        }
    }

    /// A status was written.
    pub fn status_written(&mut self, reference: &DeploymentRef, status: &DeploymentStatus) {
        let counts = &status.aggregate;
        let sum = counts.succeeded + counts.failed + counts.pending;
        if sum != counts.matched_device_count {
            self.violated(1, || {
                format!("{reference}: counts do not add up: {counts:?}")
            });
        }
    }

    /// A device's agent started with this ledger.
    pub fn loaded(&mut self, machine: &Machine, loaded: Result<&Option<Content>, &String>) {
        let id = &machine.id;
        let found = match loaded {
            Ok(content) => content.as_ref().map(|content| content.manifest.generation),
            Err(error) => return self.violated(6, || format!("{id}: {error}")),
        };
        if found < machine.kept {
            let kept = machine.kept;
            self.violated(6, || format!("{id} kept {kept:?} and found {found:?}"));
        }
        let content = loaded.ok().and_then(Option::as_ref);
        let kept = Kept {
            services: content.map(services).unwrap_or_default(),
            unwritable: false,
        };
        self.kept.insert(id.clone(), kept);
    }

    /// A device's disk was asked to keep a ledger.
    pub fn kept(&mut self, device: &DeviceId, content: &Content, written: bool) {
        let kept = self.kept.entry(device.clone()).or_default();
        kept.unwritable = !written;
        if written {
            kept.services = services(content);
        }
    }
}

fn desired(content: &Content) -> Desired {
    Desired::new(&content.manifest, &content.bodies, None)
}

fn services(content: &Content) -> BTreeSet<Revision> {
    desired(content).services().map(|s| s.hash).collect()
}

impl World {
    /// After anything that a device decided.
    pub(crate) fn check_machine(&mut self, place: usize) {
        let machine = &self.machines[place];
        let Some(content) = machine.engine.as_ref().and_then(|e| e.content()) else {
            return;
        };
        let (id, generation) = (machine.id.clone(), content.manifest.generation);
        let before = self.witness.followed.get(&id);
        if before == Some(&(machine.life, generation)) {
            return;
        }
        let fell = before.is_some_and(|(life, g)| *life == machine.life && *g > generation);
        let body = content.signed.body.as_bytes();
        let bodies = self.witness.signed.get(&id);
        let signed = bodies.is_some_and(|all| all.iter().any(|signed| signed == body));
        self.witness
            .followed
            .insert(id.clone(), (machine.life, generation));
        if fell {
            self.witness
                .violated(5, || format!("{id} fell back to {generation:?}"));
        }
        if !signed {
            self.witness
                .violated(5, || format!("{id} follows what was never signed for it"));
        }
    }

    /// Before a step of a device.
    pub(crate) fn check_step(&mut self, place: usize, step: &Step) {
        let id = self.machines[place].id.clone();
        if self.is_settled() && matches!(step, Step::Run(_) | Step::Remove { .. }) {
            self.witness
                .violated(1, || format!("{id}: nothing changed, and yet {step:?}"));
        }
        match step {
            Step::Run(service) | Step::Start { service, .. } => self.check_durable(&id, service),
            Step::Remove { id: container, .. } => {
                let machine = &self.machines[place];
                let wanted = machine.containers.get(container).is_some_and(|found| {
                    let twin = |(other, c): (&_, &fleet_agent_core::Container)| {
                        other != container && c.key == found.key && c.hash == found.hash
                    };
                    let content = machine.engine.as_ref().and_then(|e| e.content());
                    let fits =
                        |s: &Arc<DesiredService>| s.key == found.key && Some(s.hash) == found.hash;
                    content.is_some_and(|c| desired(c).services().any(fits))
                        && !machine.containers.iter().any(twin)
                });
                if wanted {
                    self.witness
                        .violated(1, || format!("{id} removes what it should run: {step:?}"));
                }
            }
            _ => {}
        }
    }

    /// Nothing starts that a power cut would not bring back.
    fn check_durable(&mut self, id: &DeviceId, service: &DesiredService) {
        let kept = self.witness.kept.get(id);
        let durable = kept.is_some_and(|k| k.unwritable || k.services.contains(&service.hash));
        if !durable {
            let key = &service.key;
            self.witness
                .violated(6, || format!("{id} starts {key} before its ledger has it"));
        }
    }

    /// After a container was started.
    pub(crate) fn check_containers(&mut self, place: usize) {
        let machine = &self.machines[place];
        let mut running = BTreeSet::new();
        let up = machine.containers.values().filter(|c| c.state.is_running());
        let mut twice = up.filter(|c| !running.insert(&c.key));
        if let Some(container) = twice.next() {
            let what = format!("{}: {} runs twice", machine.id, container.key);
            self.witness.violated(1, || what);
        }
    }

    /// After anything that a replica heard.
    pub(crate) fn check_replica(&mut self, place: usize) {
        let violations = self.operators[place].replica.index.violations();
        if violations > 0 {
            let what = || format!("operator {place}: {violations} counts do not add up");
            self.witness.violated(1, what);
        }
    }
}
