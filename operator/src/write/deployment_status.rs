use std::time::Duration;

use fleet_api::condition::ConditionType;
use fleet_api::{Deployment, DeploymentStatus, LastError};
use fleet_contracts::DeploymentRef;
use fleet_operator_core::index::{LastFailure, View};
use fleet_operator_core::status::{Event, EventKind, deployment_conditions, event};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{Patch, PatchParams};
use kube::runtime::events;
use kube::{Api, Resource as _};
use serde_json::{Value, json};

use super::conditions::{conditions, present, time};
use super::{Done, Failure, MANAGER, Writers, api, is_missing};
use fleet_service::chain;

/// A status to write.
struct Wanted {
    uid: String,
    status: DeploymentStatus,
    event: Option<Event>,
    /// It is ready now, and was not for this long.
    unready: Option<Duration>,
}

impl Writers {
    pub(super) async fn write_deployment_status(
        &self,
        reference: &DeploymentRef,
    ) -> Result<Done, Failure> {
        let Some(wanted) = self.wanted_status(reference) else {
            return Ok(Done::Unchanged);
        };
        let objects: Api<Deployment> =
            Api::namespaced(self.client.clone(), reference.namespace.as_str());
        let patch = patch(&wanted)?;
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        // A merge patch: the whole status is ours, and it costs the API server less than an apply.
        let name = reference.name.as_str();
        let written = api(objects.patch_status(name, &params, &Patch::Merge(&patch))).await;
        match written {
            Ok(_) => {}
            Err(failure) if is_missing(&failure) => return Ok(Done::Unchanged),
            Err(failure) => return Err(failure),
        }
        if let Some(unready) = wanted.unready {
            self.shared.metrics.became_ready(unready);
        }
        if let Some(known) = self.shared.lock().known.deployments.get_mut(reference)
            && known.uid == wanted.uid
        {
            known.status = wanted.status;
        }
        if let Some(event) = wanted.event {
            self.publish(reference, &wanted.uid, event).await;
        }
        Ok(Done::Written)
    }

    /// The status as it should be, if it is not.
    fn wanted_status(&self, reference: &DeploymentRef) -> Option<Wanted> {
        let state = self.shared.lock();
        let view = state.index.view(reference)?;
        let known = state.known.deployments.get(reference)?;
        if known.uid != view.uid {
            return None;
        }
        let status = status(&view, &known.status);
        if status == known.status {
            return None;
        }
        let before = ready(&known.status.conditions);
        let unready = unready(before, ready(&status.conditions));
        let event = event(before.map(|c| c.reason.as_str()), &view);
        Some(Wanted {
            uid: view.uid,
            status,
            event,
            unready,
        })
    }

    /// Events are a courtesy: one that cannot be sent is logged and let go.
    async fn publish(&self, reference: &DeploymentRef, uid: &str, event: Event) {
        let object = ObjectReference {
            api_version: Some(Deployment::api_version(&()).into_owned()),
            kind: Some(Deployment::kind(&()).into_owned()),
            namespace: Some(reference.namespace.to_string()),
            name: Some(reference.name.to_string()),
            uid: Some(uid.to_owned()),
            ..ObjectReference::default()
        };
        // The API server refuses longer ones.
        let note: String = event.note.chars().take(1_000).collect();
        let event = events::Event {
            type_: match event.kind {
                EventKind::Normal => events::EventType::Normal,
                EventKind::Warning => events::EventType::Warning,
            },
            reason: event.reason.as_str().to_owned(),
            note: Some(note),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(failure) = api(self.recorder.publish(&event, &object)).await {
            let error = chain(&failure);
            tracing::warn!(deployment = %reference, reason = event.reason, error, "Event not sent");
        }
    }
}

fn ready(conditions: &[Condition]) -> Option<&Condition> {
    let ready = ConditionType::Ready.as_str();
    conditions.iter().find(|c| c.type_ == ready)
}

/// For how long a Deployment was not ready which is now. One that is being read for the first time
/// tells nothing: it may have been ready before somebody lost its status.
fn unready(before: Option<&Condition>, now: Option<&Condition>) -> Option<Duration> {
    let (before, now) = (before?, now?);
    let became = before.status != "True" && now.status == "True";
    let since = |c: &Condition| c.last_transition_time.0;
    let took = since(now).duration_since(since(before));
    // Another replica's clock may have written the first of the two.
    became.then(|| Duration::try_from(took).unwrap_or_default())
}

fn patch(wanted: &Wanted) -> Result<Value, serde_json::Error> {
    let mut status = serde_json::to_value(&wanted.status)?;
    if wanted.status.aggregate.last_error.is_none()
        && let Some(aggregate) = status.get_mut("aggregate").and_then(Value::as_object_mut)
    {
        // What is left out of a merge patch would stay.
        aggregate.insert("lastError".to_owned(), Value::Null);
    }
    // The uid keeps the status of a deleted Deployment off its successor.
    Ok(json!({"metadata": {"uid": wanted.uid}, "status": status}))
}

fn status(view: &View, before: &DeploymentStatus) -> DeploymentStatus {
    let generation = Some(view.generation);
    let findings = deployment_conditions(view);
    let mut aggregate = view.tally.aggregate();
    aggregate.last_error = view.last_failure.as_ref().map(last_error);
    DeploymentStatus {
        observed_generation: generation,
        aggregate,
        conditions: conditions(&findings, &before.conditions, generation, present()),
    }
}

fn last_error(failure: &LastFailure) -> LastError {
    LastError {
        device: failure.device.to_string(),
        reason: failure.reason.as_str().to_owned(),
        message: failure.message.clone(),
        at: time(failure.at),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
    use k8s_openapi::jiff::Timestamp;

    use super::*;

    fn at(second: i64, status: &str) -> Condition {
        Condition {
            type_: "Ready".to_owned(),
            status: status.to_owned(),
            last_transition_time: Time(Timestamp::from_second(second).expect("a time")),
            message: String::new(),
            observed_generation: None,
            reason: String::new(),
        }
    }

    #[test]
    fn how_long_it_was_not_ready_counts_once_it_is() {
        let [fresh, waits, done] = [at(1, "True"), at(5, "False"), at(12, "True")];
        let cases = [
            (Some(&waits), &done, Some(7)),
            (Some(&fresh), &waits, None),
            (Some(&fresh), &fresh, None),
            (None, &done, None),
        ];
        for (before, now, seconds) in cases {
            let took = unready(before, Some(now));
            assert_eq!(took, seconds.map(Duration::from_secs), "{before:?} {now:?}");
        }
    }
}
