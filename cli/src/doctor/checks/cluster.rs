//! The cluster itself: server, rights, namespace, definitions, volumes.

use std::collections::BTreeSet;

use fleet_api::{Deployment, Device, DeviceEnrolment, VERSION};
use kube::CustomResourceExt as _;

use super::{Check, Finding, Reason, Snapshot, Stage, counted, known};
use crate::doctor::facts::{Definition, Why};

/// The oldest Kubernetes that the charts take; a test compares it with theirs.
pub const OLDEST_SERVER: (u32, u32) = (1, 30);

pub(super) fn api_server(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::ApiServer;
    let url = &snapshot.url;
    let version = match &snapshot.server {
        Ok(version) => version,
        Err(unread) => {
            let why = match &unread.why {
                Why::Forbidden => "it does not let this user in",
                Why::Failed(cause) => cause,
            };
            return vec![Finding::new(check, Reason::Unreachable, why)];
        }
    };
    let (major, minor) = OLDEST_SERVER;
    match numbers(version) {
        Some([found_major, found_minor, _]) if (found_major, found_minor) < OLDEST_SERVER => {
            let message = format!(
                "Kubernetes {version} is older than {major}.{minor}, which the charts ask for"
            );
            vec![Finding::new(check, Reason::ServerTooOld, message)]
        }
        _ => vec![Finding::fine(
            check,
            format!("Kubernetes {version} at {url}"),
        )],
    }
}

/// The numbers at the beginning of a version; `v1.36.0+k3s1` has 1, 36 and 0.
pub(super) fn numbers(version: &str) -> Option<[u32; 3]> {
    let version = version.strip_prefix('v').unwrap_or(version);
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
    let mut parts = version[..end.unwrap_or(version.len())].split('.');
    let mut next = || parts.next()?.parse().ok();
    Some([next()?, next()?, next().unwrap_or(0)])
}

pub(super) fn permissions(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Permissions;
    let all = match known(check, &snapshot.permissions) {
        Ok(all) => all,
        Err(findings) => return findings,
    };
    let missing: Vec<_> = all.iter().filter(|p| !p.allowed).collect();
    if missing.is_empty() {
        let message = "this user may make everything that the charts are made of";
        return vec![Finding::fine(check, message)];
    }
    let names: Vec<_> = missing.iter().map(|p| p.what.as_str()).collect();
    let message = format!("this user may not {}", names.join(", "));
    vec![Finding::new(check, Reason::NotAllowed, message)]
}

pub(super) fn namespace(snapshot: &Snapshot) -> Vec<Finding> {
    let (check, name) = (Check::Namespace, &snapshot.namespace);
    let found = match known(check, &snapshot.found_namespace) {
        Ok(found) => found,
        Err(findings) => return findings,
    };
    let about = |finding: Finding| vec![finding.about(format!("namespace/{name}"))];
    let Some(facts) = found else {
        let missing = Finding::new(check, Reason::NamespaceMissing, "it is not there");
        let remedy = format!("kubectl create namespace {name}, or helm install --create-namespace");
        return about(missing.mend(remedy));
    };
    if facts.ending {
        let message = "it is being deleted, so nothing can be made in it";
        return about(Finding::new(check, Reason::NamespaceEnding, message));
    }
    let security = facts.enforced.as_deref().map_or_else(
        || {
            "enforces no Pod Security level; all pods of the platform would fit `restricted`"
                .to_owned()
        },
        |level| format!("enforces Pod Security `{level}`, which all pods of the platform fit"),
    );
    let openshift = match (&snapshot.openshift, &facts.uid_range) {
        (Ok(true), Some(range)) => {
            format!("; OpenShift gives pods user ids of {range}: use values-okd.yaml")
        }
        (Ok(true), None) => "; this is OpenShift: use values-okd.yaml".to_owned(),
        _ => String::new(),
    };
    about(Finding::fine(check, security + &openshift))
}

fn expected() -> [&'static str; 3] {
    [
        Deployment::crd_name(),
        Device::crd_name(),
        DeviceEnrolment::crd_name(),
    ]
}

pub(super) fn definitions(snapshot: &Snapshot, stage: Stage) -> Vec<Finding> {
    let check = Check::Definitions;
    let found = match known(check, &snapshot.definitions) {
        Ok(found) => found,
        Err(findings) => return findings,
    };
    if found.is_empty() && stage == Stage::Before {
        let message = "not there yet; the chart fleet-operator or fleet-crds brings them";
        return vec![Finding::fine(check, message)];
    }
    let mut findings = Vec::new();
    for name in expected() {
        let about = |finding: Finding| finding.about(format!("customresourcedefinition/{name}"));
        match found.iter().find(|definition| definition.name == name) {
            None => {
                let finding = Finding::new(check, Reason::DefinitionMissing, "it is not there");
                findings.push(about(finding));
            }
            Some(definition) => findings.extend(unserved(definition).map(about)),
        }
    }
    let owners: BTreeSet<_> = found.iter().map(owner).collect();
    if owners.len() > 1 {
        let owners: Vec<_> = owners.into_iter().collect();
        let message = format!("they were brought by {}", owners.join(" and by "));
        findings.push(Finding::new(check, Reason::DefinitionOwners, message));
    }
    if findings.is_empty() {
        findings.push(Finding::fine(check, described(found)));
    }
    findings
}

fn unserved(definition: &Definition) -> Option<Finding> {
    let message = if !definition.served.contains(VERSION) {
        let served: Vec<_> = definition.served.iter().map(String::as_str).collect();
        format!("it serves {} and not {VERSION}", served.join(", "))
    } else if !definition.established {
        "the API server has not taken it up; `kubectl describe crd` says why".to_owned()
    } else {
        return None;
    };
    Some(Finding::new(
        Check::Definitions,
        Reason::DefinitionNotServed,
        message,
    ))
}

fn owner(definition: &Definition) -> String {
    let owner = definition.owner.clone();
    owner.unwrap_or_else(|| "somebody who left no name".to_owned())
}

fn described(found: &[Definition]) -> String {
    let versions: BTreeSet<_> = found.iter().filter_map(|d| d.version.as_deref()).collect();
    let versions: Vec<_> = versions.into_iter().collect();
    let release = if versions.is_empty() {
        String::new()
    } else {
        format!(" of {}", versions.join(", "))
    };
    let owner = found.first().map(owner).unwrap_or_default();
    format!("{VERSION} is served; definitions{release}, brought by {owner}")
}

pub(super) fn storage(snapshot: &Snapshot, stage: Stage) -> Vec<Finding> {
    match stage {
        Stage::Before => classes(snapshot),
        Stage::After => claims(snapshot),
    }
}

fn classes(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Storage;
    let classes = match known(check, &snapshot.storage_classes) {
        Ok(classes) => classes,
        Err(findings) => return findings,
    };
    let defaults: Vec<_> = classes.iter().filter(|(_, default)| **default).collect();
    let names: Vec<_> = defaults.iter().map(|(name, _)| name.as_str()).collect();
    vec![match names.as_slice() {
        [] => {
            let known: Vec<_> = classes.keys().map(String::as_str).collect();
            let known = if known.is_empty() {
                "there are none at all".to_owned()
            } else {
                format!("there are {}", known.join(", "))
            };
            let message = format!("no storage class is the default; {known}");
            Finding::new(check, Reason::NoStorageClass, message)
        }
        [one] => Finding::fine(check, "is the default").about(format!("storageclass/{one}")),
        several => {
            let message = format!("{} are all the default", several.join(", "));
            Finding::new(check, Reason::SeveralStorageClasses, message)
        }
    }]
}

fn claims(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Storage;
    let claims = match known(check, &snapshot.claims) {
        Ok(claims) => claims,
        Err(findings) => return findings,
    };
    let pending = claims.iter().filter(|claim| !claim.bound);
    let mut findings: Vec<_> = pending
        .map(|claim| {
            let (namespace, name) = (&claim.namespace, &claim.name);
            let class = claim.class.as_deref().map_or_else(
                || "asks for the default storage class".to_owned(),
                |class| format!("asks for storage class {class}"),
            );
            let said = super::pods::newest(snapshot, "PersistentVolumeClaim", namespace, name);
            let said = said.map_or_else(String::new, |event| format!(": {}", event.message));
            let message = format!("it has no volume and {class}{said}");
            Finding::new(check, Reason::ClaimPending, message)
                .about(format!("persistentvolumeclaim/{name}"))
                .mend(format!("kubectl -n {namespace} describe pvc {name}"))
        })
        .collect();
    if findings.is_empty() {
        let message = format!("{} bound", counted(claims.len(), "claim"));
        findings.push(Finding::fine(check, message));
    }
    findings
}
