//! What people do: Deployments, labels, devices that are forgotten.

use fleet_api::DeploymentSpec;
use fleet_contracts::DeploymentRef;
use serde_json::{Value, json};

use super::machine::SITES;
use super::{Season, World};

impl World {
    /// Somebody changes something.
    pub(super) fn change_something(&mut self) {
        match self.dice.below(12) {
            0..5 => self.deploy(),
            5 | 6 => self.delete(),
            7 | 8 => self.label_device(),
            9 => self.relabel_machine(),
            10 => self.forget_device(),
            _ => self.replace(),
        }
    }

    fn reference(&mut self) -> Option<DeploymentRef> {
        self.dice.pick(&self.cast.deployments).cloned()
    }

    /// A Deployment is made or changed; sometimes to something that cannot be taken.
    fn deploy(&mut self) {
        let Some(reference) = self.reference() else {
            return;
        };
        let broken = self.dice.chance(100);
        self.apply_spec(&reference, broken);
    }

    fn apply_spec(&mut self, reference: &DeploymentRef, broken: bool) {
        let spec = self.spec(reference, broken);
        // What is written here by hand is well-formed.
        let Ok(spec) = serde_json::from_value::<DeploymentSpec>(spec) else {
            return;
        };
        let deleting = self.api.deployments.get(reference);
        if deleting.is_some_and(|d| d.metadata.deletion_timestamp.is_some()) {
            return;
        }
        self.note(|| format!("people: {reference} is applied, broken: {broken}"));
        let now = self.wall().0;
        let change = self.api.apply(reference, spec, now);
        self.broadcast(change);
    }

    fn spec(&mut self, reference: &DeploymentRef, broken: bool) -> Value {
        let site = self.dice.pick(&SITES).copied().unwrap_or_default();
        let other = self.dice.pick(&SITES).copied().unwrap_or_default();
        let selector = match self.dice.below(5) {
            0 => json!({"matchLabels": {"site": site}}),
            1 => json!({"matchLabels": {"tier": "gold"}}),
            2 => json!({"matchExpressions": [
                {"key": "site", "operator": "In", "values": [site, other]}]}),
            3 => json!({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}),
            _ => json!({}),
        };
        let all = selector == json!({});
        let version = self.dice.below(4);
        let count = 1 + self.dice.below(2);
        let mut services: Vec<Value> = (0..count)
            .map(|n| json!({"name": format!("s{n}"), "image": format!("{}:v{version}", reference.name)}))
            .collect();
        if broken {
            services.clear();
        }
        json!({
            "targetSelector": selector, "targetAll": all,
            "score": {"PodmanV0": {"services": services}},
        })
    }

    fn delete(&mut self) {
        let Some(reference) = self.reference() else {
            return;
        };
        let now = self.wall().0;
        if let Some(change) = self.api.delete(&reference, now) {
            self.note(|| format!("people: {reference} is deleted"));
            self.broadcast(change);
        }
    }

    /// Deleted and made again before anybody noticed.
    fn replace(&mut self) {
        self.delete();
        self.deploy();
    }

    fn label_device(&mut self) {
        let devices: Vec<_> = self.api.devices.keys().cloned().collect();
        let Some(device) = self.dice.pick(&devices).cloned() else {
            return;
        };
        let value = self.dice.chance(500).then_some("gold");
        if let Some(change) = self.api.label(&device, "tier", value) {
            self.note(|| format!("people: {device} gets tier {value:?}"));
            self.broadcast(change);
        }
    }

    /// The device's own configuration changes; its agent starts again.
    fn relabel_machine(&mut self) {
        let place = self.dice.place(self.machines.len());
        let site = self.dice.pick(&SITES).copied().unwrap_or_default();
        let machine = &mut self.machines[place];
        machine.labels.insert("site".to_owned(), site.to_owned());
        self.note(|| format!("people: dev-{place} is at {site}"));
        self.stop_agent(place, 200);
    }

    fn forget_device(&mut self) {
        let devices: Vec<_> = self.api.devices.keys().cloned().collect();
        let Some(device) = self.dice.pick(&devices).cloned() else {
            return;
        };
        if let Some(change) = self.api.forget(&device) {
            self.note(|| format!("people: {device} is forgotten"));
            self.broadcast(change);
        }
    }

    /// Somebody repairs what cannot be taken: what devices then run is known to everybody.
    pub(super) fn repair_specs(&mut self) {
        let all = self.api.deployments.iter();
        let broken: Vec<DeploymentRef> = all
            .into_iter()
            .filter(|(_, object)| object.spec.score.validate().is_err())
            .map(|(reference, _)| reference.clone())
            .collect();
        for reference in broken {
            self.apply_spec(&reference, false);
        }
        self.season = Season::Rest;
    }
}
