use std::sync::Arc;

use fleet_api::Deployment;
use fleet_api::condition::ConditionReason;
use fleet_contracts::DeploymentRef;
use fleet_operator_core::Input;
use fleet_operator_core::admit::{AdmitError, Admitted, Identity, admit, admit_unreadable};
use fleet_operator_core::replica::DeploymentKnown;
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt as _};

use super::objects::{Objects, follow};
use crate::clock;
use crate::rejected::Rejected;
use crate::state::{Shared, Source};

/// Follows `Deployment` objects.
pub async fn deployments(shared: Arc<Shared>, rejected: Arc<Rejected>, client: Client) {
    let watch = DeploymentWatch {
        shared: Arc::clone(&shared),
        rejected,
    };
    follow(shared, Api::all(client), Source::Deployments, watch).await;
}

/// By these fields a change is found again in what writers and devices log.
fn span(admitted: &Admitted) -> tracing::Span {
    let plan = admitted.plan.as_ref().ok();
    tracing::info_span!(
        "change",
        deployment = %admitted.reference,
        generation = admitted.generation,
        revision = plan.map(|plan| plan.revision.short()),
    )
}

struct DeploymentWatch {
    shared: Arc<Shared>,
    rejected: Arc<Rejected>,
}

impl Objects for DeploymentWatch {
    type Object = DeserializeGuard<Deployment>;
    type Key = DeploymentRef;

    fn applied(&mut self, object: DeserializeGuard<Deployment>) -> Option<DeploymentRef> {
        if let Some(reference) = self.key(&object)
            && self.is_known(&reference, &object)
        {
            self.remember(&reference, object);
            return Some(reference);
        }
        let admitted = match self.admitted(&object) {
            Ok(admitted) => admitted,
            Err(error) => {
                let key = format!(
                    "{}/{}",
                    object.namespace().unwrap_or_default(),
                    object.name_any()
                );
                let reason = error.reason().as_str();
                let metrics = &self.shared.metrics;
                self.rejected
                    .note(metrics, "deployments", &key, reason, &error);
                return None;
            }
        };
        let _change = span(&admitted).entered();
        let reference = admitted.reference.clone();
        if let Err(refusal) = &admitted.plan {
            tracing::warn!(reason = %refusal.reason, refusal.message, "spec refused");
        }
        self.remember(&reference, object);
        self.shared.apply(Input::Deployment(admitted));
        tracing::debug!("change taken");
        Some(reference)
    }

    fn gone(&mut self, key: &DeploymentRef) {
        tracing::info!(deployment = %key, "deployment is gone");
        let taken = self.shared.lock().deployment_gone(key, clock::now());
        self.shared.took(&taken);
    }

    fn key(&self, object: &DeserializeGuard<Deployment>) -> Option<DeploymentRef> {
        let namespace = object.namespace()?.parse().ok()?;
        let name = object.name_any().parse().ok()?;
        Some(DeploymentRef { namespace, name })
    }
}

impl DeploymentWatch {
    fn is_known(&self, reference: &DeploymentRef, object: &DeserializeGuard<Deployment>) -> bool {
        let meta = kube::Resource::meta(object);
        self.shared.lock().known.has(reference, meta)
    }

    fn admitted(&self, object: &DeserializeGuard<Deployment>) -> Result<Admitted, AdmitError> {
        match &object.0 {
            Ok(object) => admit(object),
            Err(invalid) => {
                let meta = &invalid.metadata;
                let reason = ConditionReason::InvalidScore.as_str();
                self.shared.metrics.rejected("deployments", reason);
                admit_unreadable(&Identity::from(meta), &invalid.error)
            }
        }
    }

    fn remember(&self, reference: &DeploymentRef, object: DeserializeGuard<Deployment>) {
        let meta = kube::Resource::meta(&object).clone();
        let status = object.0.ok().and_then(|d| d.status);
        let known = DeploymentKnown::new(&meta, status);
        let now = clock::now();
        self.shared.lock().remember(reference, known, now);
    }
}
