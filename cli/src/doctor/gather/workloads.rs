//! What runs: Deployments, `StatefulSet`s and Jobs with the labels of the platform.

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Asker, convert};
use crate::doctor::facts::{Component, Fact, SecretName, Workload};

impl Asker<'_> {
    pub(super) async fn workloads(&self, namespaces: &[String]) -> Fact<Vec<Workload>> {
        let (deployments, sets, jobs) = futures::join!(
            self.in_each::<Deployment>("deployments", namespaces),
            self.in_each::<StatefulSet>("statefulsets", namespaces),
            self.in_each::<Job>("jobs", namespaces),
        );
        let deployments = deployments?.into_iter().filter_map(deployment);
        let sets = sets?.into_iter().filter_map(stateful_set);
        let jobs = jobs?.into_iter().filter_map(job);
        Ok(deployments.chain(sets).chain(jobs).collect())
    }
}

/// What all of them have in common; nothing for those of others.
fn workload(kind: &'static str, metadata: &ObjectMeta, spec: Option<&PodSpec>) -> Option<Workload> {
    let component = Component::of(&convert::labels(metadata))?;
    let namespace = metadata.namespace.clone().unwrap_or_default();
    let needs = spec.map(convert::Needs::of).unwrap_or_default();
    let secrets = needs.secrets.into_iter().map(|(name, entry)| {
        let namespace = namespace.clone();
        (SecretName { namespace, name }, entry)
    });
    let secrets: BTreeSet<_> = secrets.collect();
    Some(Workload {
        kind,
        secrets,
        config_maps: needs.config_maps,
        name: metadata.name.clone().unwrap_or_default(),
        component,
        version: convert::version(metadata),
        wanted: 1,
        ready: 0,
        refused: None,
        namespace,
    })
}

fn deployment(found: Deployment) -> Option<Workload> {
    let spec = found.spec.unwrap_or_default();
    let status = found.status.unwrap_or_default();
    let own = workload("deployment", &found.metadata, spec.template.spec.as_ref())?;
    let ready = status.ready_replicas.unwrap_or(0);
    // Those of the template before are ready while the new ones are not.
    let earlier = status.replicas.unwrap_or(0) - status.updated_replicas.unwrap_or(0);
    let refused = status.conditions.into_iter().flatten();
    let mut refused = refused.filter(|c| c.type_ == "ReplicaFailure" && c.status == "True");
    Some(Workload {
        wanted: spec.replicas.unwrap_or(1),
        ready: (ready - earlier).max(0),
        refused: refused.next().and_then(|condition| condition.message),
        ..own
    })
}

fn stateful_set(found: StatefulSet) -> Option<Workload> {
    let spec = found.spec.unwrap_or_default();
    let own = workload("statefulset", &found.metadata, spec.template.spec.as_ref())?;
    let status = found.status.unwrap_or_default();
    Some(Workload {
        wanted: spec.replicas.unwrap_or(1),
        ready: status.ready_replicas.unwrap_or(0),
        ..own
    })
}

/// A Job is ready when it is done.
fn job(found: Job) -> Option<Workload> {
    let spec = found.spec.unwrap_or_default();
    let own = workload("job", &found.metadata, spec.template.spec.as_ref())?;
    let status = found.status.unwrap_or_default();
    let wanted = spec.completions.or(spec.parallelism).unwrap_or(1);
    Some(Workload {
        wanted,
        ready: status.succeeded.unwrap_or(0),
        ..own
    })
}
