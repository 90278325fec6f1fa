use std::sync::Arc;

use fleet_api::condition::ConditionReason;
use fleet_api::{Deployment, FINALIZER};
use fleet_contracts::DeploymentRef;
use fleet_operator_core::Input;
use fleet_operator_core::admit::{AdmitError, Admitted, Identity, admit, admit_unreadable};
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt as _};

use super::objects::{Objects, follow};
use crate::clock;
use crate::rejected::Rejected;
use crate::state::{DeploymentKnown, Shared, Source};

/// Follows `Deployment` objects.
pub async fn deployments(shared: Arc<Shared>, rejected: Arc<Rejected>, client: Client) {
    let watch = DeploymentWatch {
        shared: Arc::clone(&shared),
        rejected,
    };
    follow(shared, Api::all(client), Source::Deployments, watch).await;
}

struct DeploymentWatch {
    shared: Arc<Shared>,
    rejected: Arc<Rejected>,
}

impl Objects<Deployment> for DeploymentWatch {
    type Key = DeploymentRef;

    fn applied(&mut self, object: DeserializeGuard<Deployment>) -> Option<DeploymentRef> {
        if let Some(reference) = self.key(&object)
            && self.is_known(&reference, &object)
        {
            // Mostly the echo of our own status: nothing in it for the index.
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
        let reference = admitted.reference.clone();
        if let Err(refusal) = &admitted.plan {
            tracing::warn!(deployment = %reference, reason = %refusal.reason, refusal.message, "spec refused");
        }
        self.remember(&reference, object);
        self.shared.apply(Input::Deployment(admitted));
        Some(reference)
    }

    fn gone(&mut self, key: &DeploymentRef) {
        tracing::info!(deployment = %key, "deployment is gone");
        let mut state = self.shared.lock();
        state.known.deployments.remove(key);
        state.known.leaving.remove(key);
        drop(state);
        self.shared.apply(Input::DeploymentGone(key.clone()));
    }

    fn key(&self, object: &DeserializeGuard<Deployment>) -> Option<DeploymentRef> {
        let namespace = object.namespace()?.parse().ok()?;
        let name = object.name_any().parse().ok()?;
        Some(DeploymentRef { namespace, name })
    }
}

impl DeploymentWatch {
    /// Whether the index was told of this generation of this object already.
    fn is_known(&self, reference: &DeploymentRef, object: &DeserializeGuard<Deployment>) -> bool {
        let meta = kube::Resource::meta(object);
        let state = self.shared.lock();
        let known = state.known.deployments.get(reference);
        known.is_some_and(|known| {
            Some(&known.uid) == meta.uid.as_ref()
                && Some(known.generation) == meta.generation
                && known.deleting == meta.deletion_timestamp.is_some()
        })
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
        let meta = kube::Resource::meta(&object);
        let known = DeploymentKnown {
            uid: meta.uid.clone().unwrap_or_default(),
            generation: meta.generation.unwrap_or_default(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            status: object.0.ok().and_then(|d| d.status).unwrap_or_default(),
        };
        let held = known.finalizers.iter().any(|f| f == FINALIZER);
        let mut state = self.shared.lock();
        if known.deleting && held {
            state.known.leaving.insert(reference.clone());
        }
        // Held by us, or to be held by us: one write either way.
        if known.deleting == held && state.is_active() {
            let now = clock::now();
            state.queues.finalizers.mark([reference.clone()], now);
        }
        state.known.deployments.insert(reference.clone(), known);
    }
}
