//! What must hold when nothing has happened for a while: everything is as the objects say.

use std::collections::{BTreeMap, BTreeSet};

use fleet_agent_core::Desired;
use fleet_api::condition::ConditionType;
use fleet_api::{Deployment, Device, Operator, TargetSelector};
use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{DesiredEntry, DeviceState, Phase, decode};
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, Revision};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use crate::world::{Machine, Operator as Writer, World};

/// What every device should run, worked out as plainly as can be.
type Wanted = BTreeMap<DeviceId, BTreeMap<DeploymentRef, Revision>>;

impl World {
    /// What is not as it should be; nothing, when all is well.
    pub fn unrest(&self) -> Vec<String> {
        let mut found = Vec::new();
        let wanted = self.wanted();
        self.unrest_of_operators(&mut found);
        if !found.is_empty() {
            return found;
        }
        self.unrest_of_objects(&wanted, &mut found);
        self.unrest_of_desired(&wanted, &mut found);
        self.unrest_of_reports(&wanted, &mut found);
        for machine in &self.machines {
            unrest_of_machine(machine, wanted.get(&machine.id), &mut found);
        }
        found
    }

    fn wanted(&self) -> Wanted {
        let devices = self.api.devices.iter();
        devices
            .map(|(id, device)| {
                let live = self.api.deployments.iter();
                let here = live
                    .filter(|(_, d)| d.metadata.deletion_timestamp.is_none() && matches(d, device));
                let lines = here.map(|(r, d)| (r.clone(), d.spec.score.revision()));
                (id.clone(), lines.collect())
            })
            .collect()
    }

    fn unrest_of_operators(&self, found: &mut Vec<String>) {
        if !self.is_quiet() {
            found.push("requests are under way".to_owned());
        }
        if self.is_late() {
            found.push("something from before is still on its way".to_owned());
        }
        let writes = |o: &Writer| o.replica.is_active(o.now(self.now));
        if self.operators.iter().filter(|o| writes(o)).count() != 1 {
            found.push("not one replica writes, but none or two".to_owned());
        }
        // A standby may keep a key whose write failed when it was the leader: it looks at everything
        // anyway when it leads again.
        let writers = self.operators.iter().enumerate();
        for (place, operator) in writers.filter(|(_, o)| writes(o)) {
            let busy = operator.replica.queues.depths();
            let busy: Vec<_> = busy.iter().filter(|(_, depth)| *depth > 0).collect();
            if !busy.is_empty() {
                found.push(format!("operator {place} has to write: {busy:?}"));
            }
        }
    }

    fn unrest_of_objects(&self, wanted: &Wanted, found: &mut Vec<String>) {
        for (reference, object) in &self.api.deployments {
            let matched = wanted
                .values()
                .filter(|d| d.contains_key(reference))
                .count();
            let matched = i64::try_from(matched).unwrap_or(i64::MAX);
            if object.metadata.deletion_timestamp.is_some() {
                found.push(format!("{reference} is still being deleted"));
                continue;
            }
            if object.metadata.finalizers.is_none() {
                found.push(format!("{reference} has no finalizer"));
            }
            let status = object.status.clone().unwrap_or_default();
            let counts = &status.aggregate;
            let right = counts.matched_device_count == matched
                && counts.succeeded == matched
                && counts.failed + counts.pending + counts.unreachable == 0;
            if !right {
                found.push(format!(
                    "{reference}: {matched} should have succeeded: {counts:?}"
                ));
            }
            if status.observed_generation != object.metadata.generation
                || !holds(&status.conditions, ConditionType::Ready)
            {
                found.push(format!("{reference} is not said to be ready"));
            }
        }
        for machine in &self.machines {
            let id = &machine.id;
            let Some(object) = self.api.devices.get(id) else {
                found.push(format!("{id} is not known"));
                continue;
            };
            let labels = object.metadata.labels.clone().unwrap_or_default();
            if !machine.labels.iter().all(|(k, v)| labels.get(k) == Some(v)) {
                found.push(format!("{id} does not have its labels"));
            }
            let conditions = object.status.clone().unwrap_or_default().conditions;
            for kind in [ConditionType::Reachable, ConditionType::Synced] {
                if !holds(&conditions, kind) {
                    found.push(format!("{id} is not {kind}: {conditions:?}"));
                }
            }
        }
    }

    /// `desired-state` holds what the objects say, and nothing else.
    fn unrest_of_desired(&self, wanted: &Wanted, found: &mut Vec<String>) {
        let Some(shelf) = self.bus.shelf(Bucket::DesiredState) else {
            return found.push("desired-state is lost".to_owned());
        };
        let mut missing: BTreeSet<String> = BTreeSet::new();
        for (device, lines) in wanted {
            missing.insert(DesiredKey::Manifest(device.clone()).to_string());
            missing.extend(lines.keys().map(|r| entry_key(device, r)));
        }
        for (key, body) in shelf.values() {
            if !missing.remove(key) {
                found.push(format!("nobody wants {key}"));
                continue;
            }
            let right = match key.parse() {
                Ok(DesiredKey::Manifest(device)) => {
                    let manifest = decode::<Manifest>(Bucket::DesiredState, body);
                    manifest.is_ok_and(|m| Some(&m.deployments) == wanted.get(&device))
                }
                Ok(DesiredKey::Entry(key)) => {
                    let entry = decode::<DesiredEntry>(Bucket::DesiredState, body);
                    let lines = wanted.get(&key.device);
                    let revision = lines.and_then(|lines| lines.get(&key.deployment));
                    entry.is_ok_and(|e| Some(&Revision::of(&e.score)) == revision)
                }
                Err(_) => false,
            };
            if !right {
                found.push(format!("{key} is not what it should be"));
            }
        }
        found.extend(missing.iter().map(|key| format!("{key} is missing")));
    }

    /// Every report is there, and none that nobody asks for.
    fn unrest_of_reports(&self, wanted: &Wanted, found: &mut Vec<String>) {
        let Some(shelf) = self.bus.shelf(Bucket::DeviceState) else {
            return found.push("device-state is lost".to_owned());
        };
        let mut missing: BTreeMap<String, Revision> = BTreeMap::new();
        for (device, lines) in wanted {
            missing.extend(lines.iter().map(|(r, rev)| (entry_key(device, r), *rev)));
        }
        for (key, body) in shelf.values() {
            let Some(revision) = missing.remove(key) else {
                found.push(format!("nobody asks for the report {key}"));
                continue;
            };
            let state = decode::<DeviceState>(Bucket::DeviceState, body);
            let good =
                |s: &DeviceState| s.revision == revision && matches!(s.phase, Phase::Running);
            if !state.as_ref().is_ok_and(good) {
                found.push(format!("the report {key} says {state:?}"));
            }
        }
        found.extend(missing.keys().map(|key| format!("{key} is not reported")));
    }
}

/// A device follows what it should, runs exactly that, and has said so.
fn unrest_of_machine(
    machine: &Machine,
    wanted: Option<&BTreeMap<DeploymentRef, Revision>>,
    found: &mut Vec<String>,
) {
    let id = &machine.id;
    let Some(engine) = &machine.engine else {
        return found.push(format!("{id} is down"));
    };
    let Some(content) = engine.content() else {
        return found.push(format!("{id} follows nothing"));
    };
    if Some(&content.manifest.deployments) != wanted {
        found.push(format!("{id} follows something else"));
    }
    if !engine.is_reported() {
        found.push(format!("{id} has something to say"));
    }
    let desired = Desired::new(&content.manifest, &content.bodies, None);
    let mut missing: BTreeSet<_> = desired.services().map(|s| (&s.key, Some(s.hash))).collect();
    for container in machine.containers.values() {
        let known = missing.remove(&(&container.key, container.hash));
        if !known || !container.state.is_running() {
            let (key, state) = (&container.key, container.state);
            found.push(format!("{id}: {key} is there, {state:?}, wanted: {known}"));
        }
    }
    found.extend(
        missing
            .iter()
            .map(|(key, _)| format!("{id} does not run {key}")),
    );
}

fn entry_key(device: &DeviceId, deployment: &DeploymentRef) -> String {
    let (device, deployment) = (device.clone(), deployment.clone());
    let key = EntryKey { device, deployment };
    key.to_string()
}

fn holds(conditions: &[Condition], kind: ConditionType) -> bool {
    let found = conditions.iter().find(|c| c.type_ == kind.as_str());
    found.is_some_and(|c| c.status == "True")
}

/// Kubernetes' rules, word for word.
fn matches(deployment: &Deployment, device: &Device) -> bool {
    let TargetSelector {
        match_labels,
        match_expressions,
    } = &deployment.spec.target_selector;
    if match_labels.is_empty() && match_expressions.is_empty() {
        return deployment.spec.target_all;
    }
    let labels = device.metadata.labels.clone().unwrap_or_default();
    let equal = match_labels.iter().all(|(k, v)| labels.get(k) == Some(v));
    let hold = match_expressions.iter().all(|rule| {
        let value = labels.get(&rule.key);
        let listed = value.is_some_and(|value| rule.values.contains(value));
        match rule.operator {
            Operator::In => listed,
            Operator::NotIn => !listed,
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    });
    equal && hold
}
