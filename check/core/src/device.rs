//! Whether the device has joined, and is shut out again.

use fleet_api::condition::{ConditionReason, ConditionType};
use fleet_api::{Decision, Device, DeviceEnrolment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

fn condition(all: &[Condition], kind: ConditionType) -> Option<&Condition> {
    all.iter()
        .find(|condition| condition.type_ == kind.as_str())
}

/// What a Device lacks to be taken for there; nothing if it is.
pub fn lacks(device: Option<&Device>) -> Option<String> {
    let Some(device) = device else {
        return Some("the cluster has no Device of it".to_owned());
    };
    let conditions = device.status.as_ref().map(|status| &status.conditions[..]);
    let reachable = condition(conditions.unwrap_or_default(), ConditionType::Reachable);
    match reachable {
        Some(condition) if condition.status == "True" => None,
        Some(condition) => Some(format!("its Device is not reachable: {}", condition.reason)),
        None => Some("its Device has no condition Reachable".to_owned()),
    }
}

/// How the enrolment service says that an enrolment stands, if it does.
pub fn standing(enrolment: &DeviceEnrolment) -> Option<String> {
    let status = enrolment.status.as_ref()?;
    let ready = condition(&status.conditions, ConditionType::Ready)?;
    Some(format!(
        "the enrolment is {}: {}",
        ready.reason, ready.message
    ))
}

/// What to do next about an enrolment that shall go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parting {
    /// It can log in, or soon could: deny it.
    Deny,
    /// The service has not shut it out yet; for people, what it says.
    Wait(String),
    /// Nobody can log in by it: delete it.
    Delete,
}

/// How an enrolment goes without leaving a user that can log in: the service looks after those of
/// enrolments that are there.
pub fn parting(enrolment: &DeviceEnrolment) -> Parting {
    let status = enrolment.status.as_ref();
    let by_policy = status.is_some_and(|status| status.policy_approval.is_some());
    match enrolment.spec.approval.as_ref().map(|a| a.decision) {
        None if by_policy => return Parting::Deny,
        // Nothing was made for it.
        None => return Parting::Delete,
        Some(Decision::Approved) => return Parting::Deny,
        Some(Decision::Denied) => {}
    }
    let conditions = status.map(|status| &status.conditions[..]);
    let ready = condition(conditions.unwrap_or_default(), ConditionType::Ready);
    let current = ready.filter(|c| c.observed_generation == enrolment.metadata.generation);
    let shut_out = [ConditionReason::ApprovalRevoked, ConditionReason::Decided];
    match current {
        Some(condition) if shut_out.iter().any(|r| r.as_str() == condition.reason) => {
            Parting::Delete
        }
        Some(condition) => Parting::Wait(format!("{}: {}", condition.reason, condition.message)),
        None => Parting::Wait("the enrolment service has not seen the denial".to_owned()),
    }
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use serde_json::json;

    use super::*;

    fn enrolment(approval: &serde_json::Value, ready: &str, seen: i64) -> DeviceEnrolment {
        serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "DeviceEnrolment",
            "metadata": {"name": "a", "generation": 3},
            "spec": {"publicKey": "", "fingerprint": "", "deviceId": "fleet-check",
                "tokenId": "", "approval": approval},
            "status": {"conditions": [{"type": "Ready", "status": "False", "reason": ready,
                "message": "", "observedGeneration": seen,
                "lastTransitionTime": "2026-01-01T00:00:00Z"}]},
        }))
        .expect("an enrolment")
    }

    #[test]
    fn an_enrolment_goes_only_after_its_user_cannot_log_in() {
        let decided = |decision: &str| json!({"decision": decision});
        for (approval, ready, seen, expected) in [
            (json!(null), "ApprovalAwaited", 3, Some(Parting::Delete)),
            (decided("Approved"), "Provisioned", 3, Some(Parting::Deny)),
            (decided("Approved"), "Provisioning", 3, Some(Parting::Deny)),
            (
                decided("Denied"),
                "ApprovalRevoked",
                3,
                Some(Parting::Delete),
            ),
            (decided("Denied"), "Decided", 3, Some(Parting::Delete)),
            (decided("Denied"), "ApprovalRevoked", 2, None),
            (decided("Denied"), "PolicyStoreFailed", 3, None),
        ] {
            let enrolment = enrolment(&approval, ready, seen);
            let parting = parting(&enrolment);
            match expected {
                Some(expected) => assert_eq!(parting, expected, "{enrolment:?}"),
                None => assert!(matches!(parting, Parting::Wait(_)), "{enrolment:?}"),
            }
        }
    }
}
