use fleet_api::Deployment;
use fleet_contracts::DeploymentRef;
use fleet_operator_core::replica::WantedStatus;
use fleet_operator_core::status::{Event, EventKind};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::runtime::events;
use kube::{Api, Resource as _};
use serde_json::{Value, json};

use super::{Done, Failure, MANAGER, Writers, api, is_missing};
use crate::clock;
use fleet_service::chain;

impl Writers {
    pub(super) async fn write_deployment_status(
        &self,
        reference: &DeploymentRef,
    ) -> Result<Done, Failure> {
        let wanted = self.shared.lock().wanted_status(reference, clock::wall());
        let Some(wanted) = wanted else {
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
        let WantedStatus {
            uid,
            status,
            event,
            told,
            ..
        } = wanted;
        self.shared.lock().status_written(reference, told, status);
        if let Some(event) = event {
            self.publish(reference, &uid, event).await;
        }
        Ok(Done::Written)
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

fn patch(wanted: &WantedStatus) -> Result<Value, serde_json::Error> {
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
