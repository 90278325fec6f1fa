//! An enrolment in full: all that an approver should look at.

use fleet_api::DeviceEnrolment;
use jiff::Timestamp;

use super::device::inventory;
use super::text::{Text, moment};

/// Labels that a device may have; none at all says nothing about labels.
fn allowed(labels: Option<Vec<String>>) -> String {
    match labels {
        None => "any label".to_owned(),
        Some(labels) if labels.is_empty() => "no label".to_owned(),
        Some(labels) => labels.join(", "),
    }
}

/// A label with the values that it may have.
fn one_of(key: &str, values: &[String]) -> String {
    match values {
        [] => format!("{key}=*"),
        values => format!("{key}={}", values.join("|")),
    }
}

/// The description.
pub(super) fn render(enrolment: &DeviceEnrolment, now: Timestamp) -> String {
    let (spec, status) = (
        &enrolment.spec,
        enrolment.status.clone().unwrap_or_default(),
    );
    let mut text = Text::default();
    let name = enrolment.metadata.name.as_deref();
    text.field("Name", name.unwrap_or_default());
    text.field("Device", spec.device_id.as_str());
    text.field("Fingerprint", &spec.fingerprint);
    let labels = spec.labels.iter().map(|(k, v)| format!("{k}={v}"));
    text.fields("Labels", labels);
    let bound = spec.bound_labels.as_ref().map(|labels| {
        let labels = labels.iter();
        labels.map(|(k, v)| format!("{k}={v}")).collect()
    });
    text.field("Bound to", &allowed(bound));
    let policy = status.allowed_labels.as_ref().map(|labels| {
        let labels = labels.iter();
        labels.map(|(k, values)| one_of(k, values)).collect()
    });
    text.field("May claim", &allowed(policy));
    text.field("Token", &spec.token_id);
    let created = enrolment.metadata.creation_timestamp.as_ref();
    text.field("Created", &moment(created, now));
    let decision = spec.approval.as_ref().map(|a| a.decision.as_str());
    text.field("Decision", decision.unwrap_or_default());
    let message = spec.approval.as_ref().map(|a| a.message.as_str());
    text.field("Message", message.unwrap_or_default());
    let policy = status.policy_approval;
    let policy = policy.map(|p| format!("rule {}: {}", p.rule, p.because));
    text.field("Policy", &policy.unwrap_or_default());
    let expires = status.key_expires_at.map(|at| at.0.to_string());
    text.field("Key expires", &expires.unwrap_or_default());
    let rotate = status.key_rotate_at.map(|at| at.0.to_string());
    text.field("Key rotates", &rotate.unwrap_or_default());
    inventory(&mut text, &spec.facts);
    text.conditions(&status.conditions, now);
    text.finish()
}
