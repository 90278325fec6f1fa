//! What played devices do with their manifests, and what they did.

use std::collections::{BTreeMap, BTreeSet};

use fleet_agent_core::accept::{Accepted, Candidate, Previous, accept};
use fleet_bus::Stored;
use fleet_contracts::kv::EntryKey;
use fleet_contracts::payload::Phase;
use fleet_contracts::signing::{KEY_HEADER, SIGNATURE_HEADER, TrustedKey};
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Revision};

/// Of all played devices.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) devices: BTreeMap<DeviceId, Machine>,
    /// Every start of a container, in order. The ledger of a device outlives everything that is done
    /// to servers, so it starts something once for each time it is asked for.
    pub(crate) starts: BTreeMap<EntryKey, Vec<Revision>>,
    /// Every container that was removed.
    pub(crate) removed: BTreeSet<EntryKey>,
    /// What the bus has not acknowledged yet.
    pub(crate) unsaid: BTreeSet<Word>,
    /// Why manifests were refused. A server that lost its memory may offer an old one for a moment.
    pub(crate) refusals: Vec<String>,
}

/// One played device.
pub(crate) struct Machine {
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) running: BTreeMap<DeploymentRef, Revision>,
    followed: Option<(Generation, Vec<u8>)>,
}

/// Something a device has to say.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Word {
    /// What it is.
    Info(DeviceId),
    /// What became of a Deployment, or that it is gone.
    State(EntryKey),
}

impl Machine {
    pub(crate) fn new(labels: BTreeMap<String, String>) -> Self {
        Self {
            labels,
            running: BTreeMap::new(),
            followed: None,
        }
    }
}

impl Book {
    /// A device hears a manifest: the agent's own rules decide whether it follows.
    pub(crate) fn hear(&mut self, device: &DeviceId, trusted: &TrustedKey, stored: &Stored) {
        let Some(machine) = self.devices.get_mut(device) else {
            return;
        };
        let header = |name| stored.headers.get(name).map_or("", |value| value.as_str());
        let candidate = Candidate {
            body: &stored.value,
            key_id: header(KEY_HEADER),
            signature: header(SIGNATURE_HEADER),
        };
        let followed = machine.followed.as_ref();
        let previous = followed.map(|(generation, body)| Previous {
            generation: *generation,
            body,
        });
        let manifest = match accept(device, std::slice::from_ref(trusted), previous, candidate) {
            Ok(Accepted::Newer(manifest)) => manifest,
            Ok(Accepted::Unchanged) => return,
            Err(refused) => {
                self.refusals.push(format!("{device}: {refused}"));
                return;
            }
        };
        machine.followed = Some((manifest.generation, stored.value.to_vec()));
        let before = std::mem::replace(&mut machine.running, manifest.deployments.clone());
        if before == machine.running {
            // Written anew without a change: the bus may have lost what it acknowledged.
            self.say_everything(device);
            return;
        }
        let key = |deployment: &DeploymentRef| EntryKey {
            device: device.clone(),
            deployment: deployment.clone(),
        };
        for (deployment, revision) in &manifest.deployments {
            if before.get(deployment) != Some(revision) {
                let key = key(deployment);
                self.starts.entry(key.clone()).or_default().push(*revision);
                self.unsaid.insert(Word::State(key));
            }
        }
        let gone = |deployment: &&DeploymentRef| !manifest.deployments.contains_key(*deployment);
        for deployment in before.keys().filter(gone) {
            self.removed.insert(key(deployment));
            self.unsaid.insert(Word::State(key(deployment)));
        }
    }

    /// As an agent that has connected again.
    pub(crate) fn all_say_everything(&mut self) {
        let devices: Vec<_> = self.devices.keys().cloned().collect();
        for device in devices {
            self.say_everything(&device);
        }
    }

    pub(crate) fn say_everything(&mut self, device: &DeviceId) {
        let Some(machine) = self.devices.get(device) else {
            return;
        };
        self.unsaid.insert(Word::Info(device.clone()));
        for deployment in machine.running.keys() {
            self.unsaid.insert(Word::State(EntryKey {
                device: device.clone(),
                deployment: deployment.clone(),
            }));
        }
    }
}

/// What a device makes of a Deployment: one in ten fails, and for each Deployment others.
pub(crate) fn outcome(device: &DeviceId, deployment: &DeploymentRef) -> Phase {
    let number = |text: &str| -> usize {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        digits.parse().unwrap_or_default()
    };
    let sum = number(device.as_str()) + number(deployment.name.as_str());
    if sum.is_multiple_of(10) {
        Phase::Failed
    } else {
        Phase::Running
    }
}
