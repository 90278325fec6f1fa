//! The demo as a guest in the user's cluster: it comes only where nothing of ours is, and leaves
//! nothing behind.

use std::time::Duration;

use fleet_api::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, ListParams};
use kube::{Client, ResourceExt as _};

use crate::platform::expect;
use crate::{Error, Installation};

/// Where it lives.
pub(crate) const NAMESPACE: &str = "fleet-demo";
/// Finalizers and namespaces take a moment.
const LEAVE: Duration = Duration::from_secs(120);

/// Refuses a cluster in which the platform, or a demo, is installed: what the demo takes away at
/// its end would be somebody's.
pub(crate) async fn check(client: &Client) -> Result<(), Error> {
    for crd in fleet_api::crds()? {
        let name = crd.name_any();
        let found = crds(client).get_opt(&name).await;
        if found
            .map_err(Error::kube(format!("look for {name}")))?
            .is_some()
        {
            return Err(Error::Unexpected(format!(
                "the cluster has {name} already: the demo would remove it, with all its objects, at its end. \
                 Use the installation that is there, or another cluster"
            )));
        }
    }
    let taken = namespaces(client).get_opt(NAMESPACE).await;
    match taken.map_err(Error::kube(format!("look for namespace {NAMESPACE}")))? {
        None => Ok(()),
        Some(_) => Err(Error::Unexpected(format!(
            "the cluster has a namespace {NAMESPACE} already; `kubectl delete namespace {NAMESPACE}` if it is a \
             demo's"
        ))),
    }
}

/// Takes away all that the demo brought. What the operator has to let go of goes first.
pub(crate) async fn remove(
    client: &Client,
    installation: Option<&Installation>,
    progress: impl Fn(&str),
) -> Result<(), Error> {
    if let Some(installation) = installation {
        progress("deleting the demo's Deployments");
        delete_deployments(client).await?;
        progress("helm uninstall");
        installation.uninstall().await?;
    }
    progress("deleting the definitions and the namespace");
    for crd in fleet_api::crds()? {
        delete(&crds(client), &crd.name_any()).await?;
    }
    delete(&namespaces(client), NAMESPACE).await
}

async fn delete_deployments(client: &Client) -> Result<(), Error> {
    let all: Api<Deployment> = Api::all(client.clone());
    let list = || async { all.list(&ListParams::default()).await };
    for deployment in list().await.map_err(Error::kube("list Deployments"))? {
        let namespace = deployment.namespace().unwrap_or_default();
        let api: Api<Deployment> = Api::namespaced(client.clone(), &namespace);
        let name = deployment.name_any();
        let deleted = api.delete(&name, &DeleteParams::default()).await;
        ignore_missing(deleted.map(drop), &name)?;
    }
    let none = || async { list().await.is_ok_and(|left| left.items.is_empty()) };
    expect(LEAVE, "all Deployments are gone".to_owned(), none).await
}

async fn delete<K>(api: &Api<K>, name: &str) -> Result<(), Error>
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let deleted = api.delete(name, &DeleteParams::default()).await;
    ignore_missing(deleted.map(drop), name)?;
    let gone = || async { matches!(api.get_opt(name).await, Ok(None)) };
    expect(LEAVE, format!("{name} is gone"), gone).await
}

fn ignore_missing(deleted: kube::Result<()>, name: &str) -> Result<(), Error> {
    match deleted {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map_err(Error::kube(format!("delete {name}"))),
    }
}

fn crds(client: &Client) -> Api<CustomResourceDefinition> {
    Api::all(client.clone())
}

fn namespaces(client: &Client) -> Api<Namespace> {
    Api::all(client.clone())
}
