//! Whether the versions of what runs fit each other.

use std::collections::BTreeSet;

use kube::ResourceExt as _;

use super::cluster::numbers;
use super::{Check, Finding, Reason, Snapshot, counted};
use crate::doctor::facts::Component;

/// What is said about versions; nothing where there is no operator to compare with.
pub(super) fn versions(snapshot: &Snapshot) -> Vec<Finding> {
    let Some(operator) = version_of(snapshot, Component::Operator) else {
        return vec![];
    };
    let mut findings: Vec<_> = definitions(snapshot, operator).into_iter().collect();
    findings.extend(services(snapshot, operator));
    findings.extend(program(snapshot, operator));
    findings.extend(agents(snapshot, operator));
    if findings.is_empty() {
        let message = format!("everything is of {operator}, or fits it");
        findings.push(Finding::fine(Check::Versions, message));
    }
    findings
}

fn version_of(snapshot: &Snapshot, component: Component) -> Option<&str> {
    let mut workloads = snapshot.workloads.iter().flatten();
    let workload = workloads.find(|w| w.component == component && w.version.is_some())?;
    workload.version.as_deref()
}

/// Those that say no version were applied by hand; their schema is the API server's business.
fn definitions(snapshot: &Snapshot, operator: &str) -> Option<Finding> {
    let definitions = snapshot.definitions.iter().flatten();
    let others: BTreeSet<_> = definitions
        .filter_map(|definition| definition.version.as_deref())
        .filter(|version| *version != operator)
        .collect();
    if others.is_empty() {
        return None;
    }
    let others: Vec<_> = others.into_iter().collect();
    let message = format!(
        "the operator is of {operator}, the definitions are of {}",
        others.join(", ")
    );
    Some(Finding::new(
        Check::Versions,
        Reason::DefinitionsDiffer,
        message,
    ))
}

fn services(snapshot: &Snapshot, operator: &str) -> Vec<Finding> {
    let parts = [
        (Component::Callout, "callout"),
        (Component::Enrolment, "enrolment service"),
    ];
    let mut findings = Vec::new();
    for (component, name) in parts {
        let Some(version) = version_of(snapshot, component) else {
            continue;
        };
        if version != operator {
            let message = format!("the operator is of {operator}, the {name} of {version}");
            findings.push(Finding::new(
                Check::Versions,
                Reason::VersionsDiffer,
                message,
            ));
        }
    }
    findings
}

/// Of this program the last number does not matter: it only shows what is there.
fn program(snapshot: &Snapshot, operator: &str) -> Option<Finding> {
    let own = &snapshot.program;
    let [theirs, ours] = [operator, own].map(numbers);
    let minor = |[major, minor, _]: [u32; 3]| (major, minor);
    if minor(theirs?) == minor(ours?) {
        return None;
    }
    let message = format!("the operator is of {operator}, this program of {own}");
    let finding = Finding::new(Check::Versions, Reason::VersionsDiffer, message);
    Some(finding.mend(format!("use fleet {operator}")))
}

fn agents(snapshot: &Snapshot, operator: &str) -> Vec<Finding> {
    let Some(wanted) = numbers(operator) else {
        return vec![];
    };
    let (mut newer, mut older) = (Vec::new(), Vec::new());
    for device in snapshot.devices.iter().flatten() {
        let version = device.spec.inventory.agent_version.as_deref();
        match version.and_then(numbers) {
            Some(found) if found > wanted => newer.push(device.name_any()),
            Some([major, minor, _]) if (major, minor) < (wanted[0], wanted[1]) => {
                older.push(device.name_any());
            }
            _ => {}
        }
    }
    let found = [
        (newer, Reason::AgentsNewer, "newer"),
        (older, Reason::AgentsOlder, "older"),
    ];
    let found = found.into_iter().filter(|(names, ..)| !names.is_empty());
    found
        .map(|(names, reason, word)| {
            let first = names.first().map_or("", String::as_str);
            let message = format!(
                "{} with an agent {word} than the operator's {operator}, such as {first}",
                counted(names.len(), "device")
            );
            Finding::new(Check::Versions, reason, message)
        })
        .collect()
}
