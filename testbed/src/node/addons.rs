//! What every cluster has beside its control plane: DNS, and volumes.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::core::{DynamicObject, GroupVersionKind};
use kube::discovery::ApiResource;
use serde_json::Value;

use super::{NodeError, objects};
use crate::wait;

/// The API server makes its own namespaces within a second of being ready.
const NAMESPACE_TIME: Duration = Duration::from_secs(30);
/// A pod starts within seconds; a machine that also compiles takes longer.
const DNS_TIME: Duration = Duration::from_secs(120);
const MANAGER: &str = "fleet-testbed";

/// Applies the objects; they work as soon as there is a node.
pub(super) async fn install(client: &kube::Client, volumes: u8) -> Result<(), NodeError> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    let there = || async { matches!(namespaces.get_opt("kube-system").await, Ok(Some(_))) };
    wait::until(NAMESPACE_TIME, there).await;
    for object in objects::dns() {
        apply(client, &object).await?;
    }
    if volumes > 0 {
        apply(client, &objects::storage_class()).await?;
    }
    for number in 1..=volumes {
        apply(client, &objects::local_volume(number)).await?;
    }
    Ok(())
}

/// Waits until the cluster's DNS answers.
pub(super) async fn wait_for_dns(client: &kube::Client) -> Result<(), NodeError> {
    let deployments: Api<Deployment> = Api::namespaced(client.clone(), "kube-system");
    let ready = || async {
        let deployment = deployments.get_opt("coredns").await.ok().flatten();
        let status = deployment.and_then(|deployment| deployment.status);
        status.is_some_and(|status| status.ready_replicas == Some(1))
    };
    if wait::until(DNS_TIME, ready).await {
        return Ok(());
    }
    Err(NodeError::NoDns(DNS_TIME))
}

async fn apply(client: &kube::Client, object: &Value) -> Result<(), NodeError> {
    let text = |field: &str| object[field].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion")
        .split_once('/')
        .unwrap_or(("", text("apiVersion")));
    let kind = GroupVersionKind::gvk(group, version, text("kind"));
    let resource = ApiResource::from_gvk(&kind);
    let metadata = &object["metadata"];
    let name = metadata["name"].as_str().unwrap_or_default();
    let api: Api<DynamicObject> = match metadata["namespace"].as_str() {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let params = PatchParams::apply(MANAGER).force();
    let applied = api.patch(name, &params, &Patch::Apply(object)).await;
    applied.map(drop).map_err(|source| NodeError::Apply {
        object: format!("{} {name}", kind.kind),
        source: Box::new(source),
    })
}
