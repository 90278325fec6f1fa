use fleet_api::Deployment;
use fleet_contracts::DeploymentRef;
use fleet_operator_core::replica::WantedStatus;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::{Done, Failure, MANAGER, Writers, api, is_missing};
use crate::clock;

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
            let sent = self.events.publish(reference, &uid, event).await;
            self.shared.metrics.wrote("events", sent);
        }
        Ok(Done::Written)
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
