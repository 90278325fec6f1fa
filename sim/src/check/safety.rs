//! What must hold after every step.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fleet_agent_core::ledger::Content;
use fleet_agent_core::memory::REPLACED_AFTER;
use fleet_agent_core::{Desired, DesiredService, Step};
use fleet_api::DeploymentStatus;
use fleet_contracts::kv::{Bucket, DesiredKey};
use fleet_contracts::payload::decode;
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Manifest, Revision, UnixMillis};

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

/// Who wrote to the bus.
#[derive(Debug, Clone, Copy)]
pub enum Writer<'a> {
    /// A replica of the operator.
    Operator(usize),
    /// A device.
    Device(&'a DeviceId),
    /// Somebody with the operator's rights on the bus, and without its key.
    Stranger,
}

/// What was seen so far, and the first thing that must not be.
#[derive(Debug, Default)]
pub struct Witness {
    /// The first violation.
    pub violation: Option<Violation>,
    /// All manifests that were ever signed, by device.
    signed: BTreeMap<DeviceId, Vec<Vec<u8>>>,
    /// Those that somebody brought back in place of others, by device.
    brought_back: BTreeMap<DeviceId, Vec<Vec<u8>>>,
    /// Devices that since nobody changes anything followed one of these, or started again with a ledger
    /// from before what they followed, because their disk was full.
    astray: BTreeSet<DeviceId>,
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

    /// Of a device's manifests the one with the highest generation, whether or not it ever got it.
    pub fn latest(&self, device: &DeviceId) -> Option<Vec<u8>> {
        let all = self.signed.get(device)?.iter();
        let by_generation = all.max_by_key(|body| manifest(body).map(|m| m.generation));
        by_generation.cloned()
    }

    /// The bus stored a message in place of another.
    pub fn stored(
        &mut self,
        bucket: Bucket,
        writer: Writer<'_>,
        before: Option<&Message>,
        message: &Message,
    ) {
        match writer {
            Writer::Device(device) => {
                let owner = message.key.split('.').next();
                if bucket == Bucket::DesiredState || owner != Some(device.as_str()) {
                    let key = &message.key;
                    self.violated(4, || format!("{device} wrote {key} of {}", bucket.name()));
                }
            }
            Writer::Operator(place) => self.check_replaced(place, before, message),
            Writer::Stranger => self.note_brought_back(before, message),
        }
    }

    /// The manifest in a message, if it is one that was signed for its device.
    fn signed_in(&self, message: &Message) -> Option<Manifest> {
        let Ok(DesiredKey::Manifest(device)) = message.key.parse() else {
            return None;
        };
        let body = message.value.as_ref()?;
        let all = self.signed.get(&device)?;
        all.iter()
            .find(|signed| *signed == body)
            .and_then(|b| manifest(b))
    }

    /// Who writes a manifest knows the one that it replaces.
    fn check_replaced(&mut self, place: usize, before: Option<&Message>, message: &Message) {
        let before = before.and_then(|before| self.signed_in(before));
        let (Some(before), Some(after)) = (before, self.signed_in(message)) else {
            return;
        };
        let (was, is) = (before.generation.0, after.generation.0);
        if is <= was {
            let device = &after.device;
            self.violated(3, || {
                format!("operator {place} wrote {is} over {was} for {device}")
            });
        }
    }

    fn note_brought_back(&mut self, before: Option<&Message>, message: &Message) {
        let Some(after) = self.signed_in(message) else {
            return;
        };
        let before = before.and_then(|before| self.signed_in(before));
        if before.is_some_and(|before| before.same_content(&after)) {
            return;
        }
        let all = self.brought_back.entry(after.device).or_default();
        all.extend(message.value.as_ref().map(|body| body.to_vec()));
    }

    /// A device follows a manifest that it did not follow before.
    fn follows(&mut self, device: &DeviceId, body: &[u8]) {
        let has = |all: Option<&Vec<Vec<u8>>>| all.is_some_and(|a| a.iter().any(|b| b == body));
        if !has(self.signed.get(device)) {
            self.violated(5, || {
                format!("{device} follows what was never signed for it")
            });
        }
        if has(self.brought_back.get(device)) {
            self.astray.insert(device.clone());
        }
    }

    /// From now on nobody changes anything.
    pub fn settled(&mut self) {
        self.brought_back.clear();
        self.astray.clear();
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
        let before = self.kept.insert(id.clone(), kept);
        if before.is_some_and(|kept| kept.unwritable) {
            // It may have followed what its disk did not take, and starts where it was before.
            self.astray.insert(id.clone());
        }
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

fn manifest(body: &[u8]) -> Option<Manifest> {
    decode(Bucket::DesiredState, body).ok()
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
        let witness = &mut self.witness;
        witness.follows(&id, content.signed.body.as_bytes());
        witness
            .followed
            .insert(id.clone(), (machine.life, generation));
        if fell {
            witness.violated(5, || format!("{id} fell back to {generation:?}"));
        }
    }

    /// A replica that writes was told of a message of `desired-state`, and had a turn: if it is not
    /// what should be there, the write that replaces it is on its way.
    pub(crate) fn check_answered(&mut self, place: usize, message: &Message) {
        let operator = &self.operators[place];
        let Ok(DesiredKey::Manifest(device)) = message.key.parse() else {
            return;
        };
        let replica = &operator.replica;
        let held = replica.queues.desired.holds(&device);
        if !replica.is_active(operator.now(self.now)) || held {
            return;
        }
        let plan = replica.desired_plan(&device, UnixMillis(0));
        if !plan.is_ok_and(|plan| plan.is_empty()) {
            self.witness.violated(5, || {
                format!("operator {place} was told of another manifest of {device} and lets it be")
            });
        }
    }

    /// Before a replica sends a manifest.
    pub(crate) fn check_leads(&mut self, place: usize) {
        let operator = &self.operators[place];
        if !operator.leads(self.now) {
            self.witness.violated(3, || {
                format!("operator {place} signs a manifest after its time to lead")
            });
        }
    }

    /// Before a step of a device.
    pub(crate) fn check_step(&mut self, place: usize, step: &Step) {
        let id = self.machines[place].id.clone();
        let led = !self.witness.astray.contains(&id);
        if self.is_settled() && led && matches!(step, Step::Run(_) | Step::Remove { .. }) {
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
                    // One that cannot be started is made anew.
                    let tried = machine.in_vain.get(container).copied().unwrap_or_default();
                    content.is_some_and(|c| desired(c).services().any(fits))
                        && !machine.containers.iter().any(twin)
                        && tried < REPLACED_AFTER
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
