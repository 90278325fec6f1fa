use fleet_api::condition::ConditionType;
use fleet_api::{Deployment, DeploymentStatus, LastError};
use fleet_contracts::DeploymentRef;
use fleet_operator_core::index::{LastFailure, View};
use fleet_operator_core::status::{Event, EventKind, deployment_conditions, event};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams};
use kube::runtime::events;
use kube::{Api, Resource as _};
use serde_json::json;

use super::conditions::{conditions, present, time};
use super::{Done, Failure, MANAGER, Writers, api, is_missing};
use crate::rejected::chain;

/// A status to write.
struct Wanted {
    uid: String,
    status: DeploymentStatus,
    event: Option<Event>,
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
        let patch = json!({
            "apiVersion": Deployment::api_version(&()), "kind": Deployment::kind(&()),
            // The uid keeps the status of a deleted Deployment off its successor.
            "metadata": {"name": reference.name, "namespace": reference.namespace, "uid": wanted.uid},
            "status": wanted.status,
        });
        let params = PatchParams::apply(MANAGER).force();
        let written =
            api(objects.patch_status(reference.name.as_str(), &params, &Patch::Apply(&patch)))
                .await;
        match written {
            Ok(_) => {}
            Err(failure) if is_missing(&failure) => return Ok(Done::Unchanged),
            Err(failure) => return Err(failure),
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
        let ready = known
            .status
            .conditions
            .iter()
            .find(|c| c.type_ == ConditionType::Ready.as_str());
        let event = event(ready.map(|c| c.reason.as_str()), &view);
        Some(Wanted {
            uid: view.uid,
            status,
            event,
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
