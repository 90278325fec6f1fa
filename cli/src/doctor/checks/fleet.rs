//! Devices, Deployments and enrolments.

use std::collections::BTreeMap;

use fleet_api::condition::{ConditionReason, ConditionType};
use fleet_api::{Decision, Deployment, Device, DeviceEnrolment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt;

use super::{Check, Finding, Reason, Snapshot, counted, known};
use crate::output::age;

/// From this share on, one of so many: somebody should look.
const SOME: usize = 10;
/// From this share on it is more than single devices.
const MOST: usize = 2;
/// In a fleet of fewer one device alone is a large share.
const FEW: usize = 4;
/// More objects of one kind are counted and not named.
const NAMED: usize = 5;

fn find(conditions: &[Condition], wanted: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == wanted.as_str())
}

fn is(conditions: &[Condition], wanted: ConditionType, status: &str) -> bool {
    find(conditions, wanted).is_some_and(|condition| condition.status == status)
}

pub(super) fn devices(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Devices;
    let devices = match known(check, &snapshot.devices) {
        Ok(devices) => devices,
        Err(findings) => return findings,
    };
    let conditions = |device: &Device| {
        let status = device.status.clone().unwrap_or_default();
        status.conditions
    };
    let with = |wanted, status| -> Vec<String> {
        let those = devices
            .iter()
            .filter(|device| is(&conditions(device), wanted, status));
        those.map(ResourceExt::name_any).collect()
    };
    let (all, stale) = (devices.len(), with(ConditionType::Stale, "True"));
    let mut findings = Vec::new();
    let message = format!("{} of {} not heard", stale.len(), counted(all, "device"));
    if stale.len() * MOST >= all && all >= FEW {
        findings.push(Finding::new(check, Reason::MostDevicesStale, message));
    } else if stale.len() * SOME >= all && !stale.is_empty() {
        let message = format!("{message}: {}", first(&stale));
        findings.push(Finding::new(check, Reason::SomeDevicesStale, message));
    }
    let refusing = with(ConditionType::Synced, "False");
    if !refusing.is_empty() {
        let message = format!(
            "{} their manifests: {}",
            refuse(refusing.len()),
            first(&refusing)
        );
        let finding = Finding::new(check, Reason::ManifestsRefused, message);
        let device = refusing.first().map_or("", String::as_str);
        findings.push(finding.mend(format!("fleet describe device {device}")));
    }
    if findings.is_empty() {
        let message = format!("{}, {} not heard", counted(all, "device"), stale.len());
        findings.push(Finding::fine(check, message));
    }
    findings
}

fn refuse(number: usize) -> String {
    let verb = if number == 1 { "refuses" } else { "refuse" };
    format!("{} {verb}", counted(number, "device"))
}

/// The first names of many.
fn first(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str);
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("{shown} and {more} more"),
        _ => shown,
    }
}

pub(super) fn deployments(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Deployments;
    let deployments = match known(check, &snapshot.deployments) {
        Ok(deployments) => deployments,
        Err(findings) => return findings,
    };
    let found: Vec<_> = deployments.iter().filter_map(troubled).collect();
    let mut findings = Vec::new();
    for reason in [Reason::CountsBroken, Reason::Stalled, Reason::StatusBehind] {
        let of_it: Vec<_> = found.iter().filter(|f| f.reason == reason).collect();
        findings.extend(of_it.iter().take(NAMED).map(|&f| f.clone()));
        if let Some(more @ 1..) = of_it.len().checked_sub(NAMED) {
            let message = format!("the same of {more} more");
            findings.push(Finding::new(check, reason, message));
        }
    }
    if findings.is_empty() {
        let message = format!(
            "{} without trouble",
            counted(deployments.len(), "Deployment")
        );
        findings.push(Finding::fine(check, message));
    }
    findings
}

fn troubled(deployment: &Deployment) -> Option<Finding> {
    let check = Check::Deployments;
    let status = deployment.status.clone().unwrap_or_default();
    let (name, namespace) = (
        deployment.name_any(),
        deployment.namespace().unwrap_or_default(),
    );
    let counts = &status.aggregate;
    let sum = counts.succeeded + counts.failed + counts.pending;
    let stalled = find(&status.conditions, ConditionType::Stalled);
    let finding = if sum != counts.matched_device_count {
        let message = format!(
            "{} succeeded, {} failed and {} pending are not {} matched",
            counts.succeeded, counts.failed, counts.pending, counts.matched_device_count
        );
        Finding::new(check, Reason::CountsBroken, message)
    } else if let Some(stalled) = stalled.filter(|c| c.status == "True") {
        let message = format!("{}: {}", stalled.reason, stalled.message);
        Finding::new(check, Reason::Stalled, message)
    } else if status.observed_generation < deployment.metadata.generation {
        let message = "the operator has not looked at what it says now";
        Finding::new(check, Reason::StatusBehind, message)
    } else {
        return None;
    };
    let remedy = format!("fleet describe deployment {name} -n {namespace}");
    let object = format!("deployment.{}/{namespace}/{name}", fleet_api::GROUP);
    let finding = finding.about(object);
    Some(match finding.reason {
        Reason::CountsBroken => finding,
        _ => finding.mend(remedy),
    })
}

pub(super) fn enrolments(snapshot: &Snapshot) -> Vec<Finding> {
    let check = Check::Enrolments;
    let enrolments = match known(check, &snapshot.enrolments) {
        Ok(enrolments) => enrolments,
        Err(findings) => return findings,
    };
    let mut findings = Vec::new();
    let waiting: Vec<_> = enrolments.iter().filter(|e| is_undecided(e)).collect();
    if !waiting.is_empty() {
        let oldest = waiting
            .iter()
            .filter_map(|e| e.metadata.creation_timestamp.as_ref())
            .min_by_key(|time| time.0);
        let message = format!(
            "{} without a decision, the oldest for {}",
            counted(waiting.len(), "enrolment"),
            age(oldest, snapshot.now)
        );
        findings.push(Finding::new(check, Reason::EnrolmentsWait, message));
    }
    let mut stuck: BTreeMap<String, Vec<&DeviceEnrolment>> = BTreeMap::new();
    for enrolment in enrolments {
        if let Some(why) = stuck_for(enrolment) {
            stuck.entry(why).or_default().push(enrolment);
        }
    }
    for (why, of_it) in stuck {
        let names: Vec<_> = of_it.iter().map(|e| e.spec.device_id.to_string()).collect();
        let message = format!("{why}: {}", first(&names));
        let finding = Finding::new(check, Reason::EnrolmentStuck, message);
        let name = of_it.first().map(|e| e.name_any()).unwrap_or_default();
        findings.push(finding.mend(format!("fleet describe enrolment {name}")));
    }
    if findings.is_empty() {
        let message = format!("{}, none waits", counted(enrolments.len(), "enrolment"));
        findings.push(Finding::fine(check, message));
    }
    findings
}

fn is_undecided(enrolment: &DeviceEnrolment) -> bool {
    let status = enrolment.status.clone().unwrap_or_default();
    enrolment.spec.approval.is_none()
        && status.policy_approval.is_none()
        && !is(&status.conditions, ConditionType::Denied, "True")
}

/// The word for what keeps an approved enrolment from becoming ready, unless that is only time.
fn stuck_for(enrolment: &DeviceEnrolment) -> Option<String> {
    const PASSING: [ConditionReason; 2] = [
        ConditionReason::Provisioning,
        ConditionReason::ApprovalAwaited,
    ];
    let status = enrolment.status.as_ref()?;
    let decided = enrolment.spec.approval.as_ref().map(|a| a.decision);
    let approved = match decided {
        Some(decision) => decision == Decision::Approved,
        None => status.policy_approval.is_some(),
    };
    let ready = find(&status.conditions, ConditionType::Ready)?;
    let passing = PASSING.iter().any(|r| r.as_str() == ready.reason);
    (approved && ready.status != "True" && !passing).then(|| ready.reason.clone())
}
