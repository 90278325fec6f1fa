//! What is to be done so that a saved object is there again, one step at a time: the next step follows
//! from what is there now, so that a run that was ended goes on with the next.

use std::collections::BTreeMap;

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::kind::Kind;

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Step {
    /// Make it.
    Create(Box<DynamicObject>),
    /// Merge this into it.
    Change(Value),
    /// Merge this into its status.
    Report(Value),
}

/// The next step; none when all is there. What is there already is newer, and stays.
pub(super) fn next(
    kind: Kind,
    saved: &DynamicObject,
    found: Option<&DynamicObject>,
) -> Option<Step> {
    match (kind, found) {
        (Kind::Enrolment, None) => Some(Step::Create(Box::new(undecided(saved)))),
        (_, None) => Some(Step::Create(Box::new(saved.clone()))),
        (Kind::Enrolment, Some(found)) => enrolment(saved, found),
        (Kind::Device, Some(found)) => label(saved, found),
        (Kind::Secret | Kind::Deployment, Some(_)) => None,
    }
}

/// The API server takes no other when an enrolment is made.
fn undecided(saved: &DynamicObject) -> DynamicObject {
    let mut object = saved.clone();
    if let Some(spec) = object.data.get_mut("spec").and_then(Value::as_object_mut) {
        spec.remove("approval");
    }
    if let Some(data) = object.data.as_object_mut() {
        data.remove("status");
    }
    object
}

/// First what is known, then what was decided: an enrolment service that sees an approval and no key
/// takes the device's own for a stranger's, and removes it at the identity provider.
fn enrolment(saved: &DynamicObject, found: &DynamicObject) -> Option<Step> {
    let at = |object: &DynamicObject, place: &str| object.data.pointer(place).cloned();
    let known = ["/status/userId", "/status/policyApproval"];
    let lacks = |place: &&str| at(found, place).is_none() && at(saved, place).is_some();
    if at(found, "/spec/approval").is_none() && known.iter().any(lacks) {
        return at(saved, "/status").map(|status| Step::Report(json!({"status": status})));
    }
    let approval = at(saved, "/spec/approval")?;
    at(found, "/spec/approval")
        .is_none()
        .then(|| Step::Change(json!({"spec": {"approval": approval}})))
}

/// The labels that it does not have.
fn label(saved: &DynamicObject, found: &DynamicObject) -> Option<Step> {
    let labels = found.metadata.labels.as_ref();
    let has = |key: &String| labels.is_some_and(|labels| labels.contains_key(key));
    let missing: BTreeMap<_, _> = saved
        .metadata
        .labels
        .iter()
        .flatten()
        .filter(|(key, _)| !has(key))
        .collect();
    (!missing.is_empty()).then(|| Step::Change(json!({"metadata": {"labels": missing}})))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: Value) -> DynamicObject {
        serde_json::from_value(value).expect("an object")
    }

    fn enrolled() -> DynamicObject {
        object(json!({
            "metadata": {"name": "a"},
            "spec": {"deviceId": "pi-7", "approval": {"decision": "Approved"}},
            "status": {"userId": "1", "keyId": "2"},
        }))
    }

    /// What the API server makes of a step.
    fn after(found: Option<DynamicObject>, step: &Step) -> DynamicObject {
        let mut whole = match step {
            Step::Create(object) => return object.as_ref().clone(),
            Step::Change(_) | Step::Report(_) => json!(found.expect("an object")),
        };
        if let Step::Change(patch) | Step::Report(patch) = step {
            merge(&mut whole, patch);
        }
        object(whole)
    }

    fn merge(whole: &mut Value, patch: &Value) {
        let Some(patch) = patch.as_object() else {
            *whole = patch.clone();
            return;
        };
        for (key, value) in patch {
            merge(&mut whole[key], value);
        }
    }

    #[test]
    fn an_enrolment_is_made_undecided_then_known_then_decided() {
        let saved = enrolled();
        let mut found = None;
        let mut steps = Vec::new();
        while let Some(step) = next(Kind::Enrolment, &saved, found.as_ref()) {
            found = Some(after(found, &step));
            steps.push(step);
            assert!(steps.len() < 4, "{steps:?}");
        }
        let [
            Step::Create(made),
            Step::Report(status),
            Step::Change(decision),
        ] = steps.as_slice()
        else {
            panic!("{steps:?}");
        };
        assert_eq!(made.data, json!({"spec": {"deviceId": "pi-7"}}));
        assert_eq!(status["status"]["keyId"], "2");
        assert_eq!(decision["spec"]["approval"]["decision"], "Approved");
        assert_eq!(json!(found), json!(Some(saved)));
    }

    #[test]
    fn what_was_decided_since_stays() {
        let denied = object(json!({
            "metadata": {"name": "a"},
            "spec": {"deviceId": "pi-7", "approval": {"decision": "Denied"}},
        }));
        assert_eq!(next(Kind::Enrolment, &enrolled(), Some(&denied)), None);
    }

    #[test]
    fn a_device_gets_the_labels_that_it_does_not_have() {
        let device = |labels: Value| object(json!({"metadata": {"name": "d", "labels": labels}}));
        let saved = device(json!({"site": "lab", "tier": "test"}));
        let found = device(json!({"site": "office"}));
        let step = next(Kind::Device, &saved, Some(&found));
        let missing = json!({"metadata": {"labels": {"tier": "test"}}});
        assert_eq!(step, Some(Step::Change(missing)));
        assert_eq!(next(Kind::Device, &saved, Some(&saved)), None);
    }

    #[test]
    fn a_key_that_is_there_is_kept() {
        let key = object(json!({"metadata": {"name": "k"}, "data": {"seed": "YQ=="}}));
        let other = object(json!({"metadata": {"name": "k"}, "data": {"seed": "Yg=="}}));
        assert_eq!(next(Kind::Secret, &key, Some(&other)), None);
        assert_eq!(
            next(Kind::Secret, &key, None),
            Some(Step::Create(Box::new(key)))
        );
    }
}
