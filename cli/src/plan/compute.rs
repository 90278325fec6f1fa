//! The plan, from what the cluster holds. No I/O.

use std::collections::BTreeSet;

use fleet_api::condition::ConditionType;
use fleet_api::{Deployment, Device};
use serde::Serialize;

use super::claims::{self, Claim};
use crate::deploy::progress::condition;
use crate::selector::Targets;

/// What the plan is made from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The Deployment as it would be.
    pub wanted: &'a Deployment,
    /// The Deployment as it is.
    pub existing: Option<&'a Deployment>,
    /// All devices.
    pub devices: &'a [Device],
    /// All Deployments; the one that is planned may be among them.
    pub others: &'a [Deployment],
}

/// What applying would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The Deployment's namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What happens to the object.
    pub action: Action,
    /// The revision devices run now, if the Deployment exists.
    pub old_revision: Option<String>,
    /// The revision they would run.
    pub new_revision: String,
    /// How many devices, by what would happen to them.
    pub summary: Summary,
    /// Every device that is matched now or would be, by name.
    pub devices: Vec<DevicePlan>,
    /// What else there is to know.
    pub notes: Vec<String>,
}

/// What happens to the object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Action {
    /// It does not exist yet.
    Create,
    /// Its spec changes.
    Change,
    /// It is already so.
    None,
}

/// How many devices, by what would happen to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Devices the selector would match.
    pub matched: usize,
    /// Newly matched.
    pub start: usize,
    /// Matched before, now with another revision.
    pub update: usize,
    /// Matched no longer.
    pub stop: usize,
    /// Matched before and after, with the same revision.
    pub keep: usize,
    /// Devices to start, update or stop that are not reachable now.
    pub offline: usize,
    /// Devices with a clash.
    pub clashing: usize,
}

/// What would happen to a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DevicePlan {
    /// The device.
    pub device: String,
    /// What would happen to it.
    pub change: Change,
    /// Whether it would hear of it at once.
    pub reachable: Reachability,
    /// Who else wants the same port or name there.
    pub clashes: Vec<Clash>,
}

/// What would happen to a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Change {
    /// It starts to run the Deployment.
    Start,
    /// It runs another revision.
    Update,
    /// It stops running it.
    Stop,
    /// Nothing.
    Keep,
}

/// Whether heartbeats arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Reachability {
    /// They do.
    True,
    /// They stopped.
    False,
    /// Nobody said.
    Unknown,
}

/// Two Deployments want the same of one device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Clash {
    /// What both want.
    pub claim: String,
    /// The other, `<namespace>/<name>`.
    pub with: String,
    /// Who gets it.
    pub winner: Winner,
}

/// Who gets what two want: the older one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Winner {
    /// The planned Deployment.
    This,
    /// The other.
    Other,
}

/// Makes the plan.
pub fn plan(facts: &Facts<'_>) -> Plan {
    let Facts {
        wanted, existing, ..
    } = *facts;
    let old_revision = existing.map(|d| d.spec.score.revision());
    let new_revision = wanted.spec.score.revision();
    let rivals = rivals(facts);
    let now = existing.map(|d| Targets::of(&d.spec));
    let then = Targets::of(&wanted.spec);
    let mut devices: Vec<_> = facts
        .devices
        .iter()
        .filter_map(|device| {
            let before = now.as_ref().is_some_and(|targets| targets.contain(device));
            let after = then.contain(device);
            let change = match (before, after) {
                (false, false) => return None,
                (false, true) => Change::Start,
                (true, false) => Change::Stop,
                (true, true) if old_revision == Some(new_revision) => Change::Keep,
                (true, true) => Change::Update,
            };
            let clashes = if after {
                clashes(&rivals, device)
            } else {
                vec![]
            };
            let device_name = device.metadata.name.clone().unwrap_or_default();
            Some(DevicePlan {
                device: device_name,
                change,
                reachable: reachable(device),
                clashes,
            })
        })
        .collect();
    devices.sort_by(|a, b| a.device.cmp(&b.device));
    Plan {
        namespace: wanted.metadata.namespace.clone().unwrap_or_default(),
        name: wanted.metadata.name.clone().unwrap_or_default(),
        action: match existing {
            None => Action::Create,
            Some(d) if d.spec == wanted.spec => Action::None,
            Some(_) => Action::Change,
        },
        old_revision: old_revision.map(|r| r.to_string()),
        new_revision: new_revision.to_string(),
        summary: summarize(&devices),
        devices,
        notes: notes(existing),
    }
}

fn notes(existing: Option<&Deployment>) -> Vec<String> {
    let deleting = existing.is_some_and(|d| d.metadata.deletion_timestamp.is_some());
    let note = "the Deployment is being deleted: what is applied now goes with it";
    deleting.then(|| note.to_owned()).into_iter().collect()
}

fn reachable(device: &Device) -> Reachability {
    let conditions = device
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    match condition(conditions, ConditionType::Reachable).map(|c| c.status.as_str()) {
        Some("True") => Reachability::True,
        Some("False") => Reachability::False,
        _ => Reachability::Unknown,
    }
}

/// Another Deployment and the claims it shares with the planned one.
struct Rival {
    targets: Targets,
    name: String,
    shared: BTreeSet<String>,
    winner: Winner,
}

/// Those of the others that claim something the planned one claims, wherever they run.
fn rivals(facts: &Facts<'_>) -> Vec<Rival> {
    let mine = claims::of(facts.wanted);
    let living = facts
        .others
        .iter()
        .filter(|d| d.metadata.deletion_timestamp.is_none());
    living
        .filter(|other| identity(other) != identity(facts.wanted))
        .filter_map(|deployment| {
            let theirs = claims::of(deployment);
            let wanted_too = |claim: &&Claim| theirs.iter().any(|their| claim.excludes(their));
            let shared: BTreeSet<_> = mine
                .iter()
                .filter(wanted_too)
                .map(ToString::to_string)
                .collect();
            let (namespace, name) = identity(deployment);
            (!shared.is_empty()).then(|| Rival {
                targets: Targets::of(&deployment.spec),
                name: format!("{namespace}/{name}"),
                shared,
                winner: winner(facts.existing, deployment),
            })
        })
        .collect()
}

fn identity(deployment: &Deployment) -> (&str, &str) {
    let metadata = &deployment.metadata;
    (
        metadata.namespace.as_deref().unwrap_or_default(),
        metadata.name.as_deref().unwrap_or_default(),
    )
}

/// The older wins; at the same second, the one first by name. What does not exist yet is youngest.
fn winner(existing: Option<&Deployment>, other: &Deployment) -> Winner {
    let Some(this) = existing else {
        return Winner::Other;
    };
    let order = |d: &Deployment| {
        let (namespace, name) = identity(d);
        let created = d.metadata.creation_timestamp.clone();
        (created, namespace.to_owned(), name.to_owned())
    };
    if order(this) < order(other) {
        Winner::This
    } else {
        Winner::Other
    }
}

fn clashes(rivals: &[Rival], device: &Device) -> Vec<Clash> {
    let here = rivals.iter().filter(|rival| rival.targets.contain(device));
    here.flat_map(|rival| {
        rival.shared.iter().map(|claim| Clash {
            claim: claim.clone(),
            with: rival.name.clone(),
            winner: rival.winner,
        })
    })
    .collect()
}

fn summarize(devices: &[DevicePlan]) -> Summary {
    let count = |wanted| devices.iter().filter(|d| d.change == wanted).count();
    let affected = devices.iter().filter(|d| d.change != Change::Keep);
    Summary {
        matched: devices.len() - count(Change::Stop),
        start: count(Change::Start),
        update: count(Change::Update),
        stop: count(Change::Stop),
        keep: count(Change::Keep),
        offline: affected
            .filter(|d| d.reachable != Reachability::True)
            .count(),
        clashing: devices.iter().filter(|d| !d.clashes.is_empty()).count(),
    }
}

#[cfg(test)]
#[path = "compute_tests.rs"]
mod tests;
