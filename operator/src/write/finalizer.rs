use fleet_api::{Deployment, FINALIZER};
use fleet_contracts::DeploymentRef;
use fleet_operator_core::replica::FinalizerStep;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _};
use serde_json::{Value, json};

use super::{Done, Failure, Writers, api, is_missing};

/// Its own field manager: a status write of ours must not take the finalizer away.
const FINALIZER_MANAGER: &str = "fleet-operator-finalizer";

impl Writers {
    pub(super) async fn write_finalizer(&self, reference: &DeploymentRef) -> Result<Done, Failure> {
        let Some(step) = self.shared.lock().finalizer_step(reference) else {
            return Ok(Done::Unchanged);
        };
        let objects: Api<Deployment> =
            Api::namespaced(self.client.clone(), reference.namespace.as_str());
        let written = match step {
            FinalizerStep::Add { uid } => add(&objects, reference, &uid).await,
            FinalizerStep::Remove { uid, position } => {
                remove(&objects, reference, &uid, position).await?;
                tracing::info!(deployment = %reference, "no key is left; finalizer removed");
                self.shared.lock().finalizer_removed(reference);
                Ok(())
            }
        };
        match written {
            Err(failure) if is_missing(&failure) => Ok(Done::Unchanged),
            other => other.map(|()| Done::Written),
        }
    }
}

async fn add(
    objects: &Api<Deployment>,
    reference: &DeploymentRef,
    uid: &str,
) -> Result<(), Failure> {
    let patch = json!({
        "apiVersion": Deployment::api_version(&()), "kind": Deployment::kind(&()),
        "metadata": {
            "name": reference.name, "namespace": reference.namespace, "uid": uid,
            "finalizers": [FINALIZER],
        },
    });
    let params = PatchParams::apply(FINALIZER_MANAGER).force();
    api(objects.patch(reference.name.as_str(), &params, &Patch::Apply(&patch)))
        .await
        .map(drop)
}

/// A JSON patch whose tests fail if the object is another or its finalizers changed since.
async fn remove(
    objects: &Api<Deployment>,
    reference: &DeploymentRef,
    uid: &str,
    position: usize,
) -> Result<(), Failure> {
    let place = format!("/metadata/finalizers/{position}");
    let operations: Value = json!([
        {"op": "test", "path": "/metadata/uid", "value": uid},
        {"op": "test", "path": place, "value": FINALIZER},
        {"op": "remove", "path": place},
    ]);
    let patch = Patch::<()>::Json(serde_json::from_value(operations)?);
    let patched =
        api(objects.patch(reference.name.as_str(), &PatchParams::default(), &patch)).await;
    match patched {
        Err(failure) if is_missing(&failure) => Ok(()),
        other => other.map(drop),
    }
}
