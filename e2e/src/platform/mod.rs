//! The platform as the demo and the scenarios use it: testbed, CRDs, operator, agents.

mod start;
mod wanted;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fleet_api::{Deployment, Device};
use fleet_testbed::{Operator, Testbed, wait};
use kube::api::{Api, DeleteParams, Patch, PatchParams};

use crate::identity::Identity;
use crate::installed::Installation;
use crate::{Error, guest, http};

pub use wanted::{Login, Place, Wanted};

/// The namespace of the demo's deployments.
pub const NAMESPACE: &str = "default";
/// Who writes, for server-side apply.
const MANAGER: &str = "fleet-demo";
/// How long parts may take to come up on a busy machine.
const START: Duration = Duration::from_secs(60);

/// How the operator runs.
#[derive(Debug)]
pub enum RunningOperator {
    /// As a process of the testbed, under the roles that the chart would give it.
    Process(Box<Operator>),
    /// As a pod, installed by the chart.
    Pod(Box<Installation>),
}

/// A running platform. Dropping it stops everything.
pub struct Platform {
    /// Its only operator. Declared before the testbed so that it is stopped first.
    operator: RunningOperator,
    /// The services by which devices log in; none with static keys.
    identity: Option<Identity>,
    /// Servers and devices.
    pub bed: Testbed,
    /// A client with the admin's rights.
    pub client: kube::Client,
}

impl Platform {
    /// The services by which devices log in.
    ///
    /// # Errors
    /// When they log in with static keys.
    pub fn identity(&self) -> Result<&Identity, Error> {
        self.identity.as_ref().ok_or_else(|| {
            Error::Unexpected("the devices of this platform have static keys".to_owned())
        })
    }

    /// The operator's process.
    ///
    /// # Errors
    /// When it runs as a pod.
    pub fn operator(&self) -> Result<&Operator, Error> {
        match &self.operator {
            RunningOperator::Process(operator) => Ok(operator),
            RunningOperator::Pod(_) => Err(Error::Unexpected(
                "the operator of this platform runs as a pod".to_owned(),
            )),
        }
    }

    /// The installation by the chart.
    ///
    /// # Errors
    /// When the operator runs as a process.
    pub fn installation(&self) -> Result<&Installation, Error> {
        match &self.operator {
            RunningOperator::Pod(installation) => Ok(installation),
            RunningOperator::Process(_) => Err(Error::Unexpected(
                "the operator of this platform runs as a process".to_owned(),
            )),
        }
    }

    /// Deployments of the demo's namespace.
    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Devices.
    pub fn devices(&self) -> Api<Device> {
        Api::all(self.client.clone())
    }

    /// Where a port of a device answers.
    pub fn address(&self, device: &str, port: u16) -> Result<SocketAddr, Error> {
        Ok(SocketAddr::new(self.bed.device(device)?.host_ip(), port))
    }

    /// Applies a deployment, as `kubectl apply --server-side` does.
    pub async fn apply(&self, deployment: &Deployment) -> Result<Deployment, Error> {
        let name = deployment.metadata.name.as_deref().unwrap_or_default();
        self.deployments()
            .patch(
                name,
                &PatchParams::apply(MANAGER).force(),
                &Patch::Apply(deployment),
            )
            .await
            .map_err(Error::kube(format!("apply Deployment {name}")))
    }

    /// Deletes a deployment and waits until it is gone.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let api = self.deployments();
        api.delete(name, &DeleteParams::default())
            .await
            .map_err(Error::kube(format!("delete Deployment {name}")))?;
        let gone = || async { matches!(api.get_opt(name).await, Ok(None)) };
        expect(START, format!("Deployment {name} is gone"), gone).await
    }

    /// Waits until a deployment's status satisfies a predicate.
    pub async fn wait_deployment(
        &self,
        name: &str,
        what: &str,
        predicate: impl Fn(&Deployment) -> bool,
    ) -> Result<(), Error> {
        self.wait_deployment_within(START, (name, what), predicate)
            .await
    }

    /// The same for as long as this.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn wait_deployment_within(
        &self,
        limit: Duration,
        (name, what): (&str, &str),
        predicate: impl Fn(&Deployment) -> bool,
    ) -> Result<(), Error> {
        let api = self.deployments();
        let holds = || async { api.get(name).await.is_ok_and(|found| predicate(&found)) };
        expect(limit, format!("Deployment {name} {what}"), holds).await
    }

    /// Waits until a device satisfies a predicate.
    pub async fn wait_device(
        &self,
        id: &str,
        what: &str,
        predicate: impl Fn(&Device) -> bool,
    ) -> Result<(), Error> {
        let api = self.devices();
        let holds = || async { api.get(id).await.is_ok_and(|found| predicate(&found)) };
        expect(START, format!("Device {id} {what}"), holds).await
    }

    /// What `kubectl label fleetdev <device> <key>=<value>` (or `<key>-`) does.
    pub async fn label(&self, device: &str, key: &str, value: Option<&str>) -> Result<(), Error> {
        let patch = serde_json::json!({"metadata": {"labels": {key: value}}});
        let (api, params) = (self.devices(), PatchParams::default());
        let patched = api.patch(device, &params, &Patch::Merge(&patch)).await;
        patched
            .map(drop)
            .map_err(Error::kube(format!("label Device {device}")))
    }

    /// What runs on a device; a container that was started again is another here.
    pub async fn containers(&self, device: &str) -> Result<Vec<String>, Error> {
        Ok(self.bed.device(device)?.running().await?)
    }

    /// The kubeconfig of the testbed's admin; none where the cluster is the user's.
    pub fn kubeconfig(&self) -> Option<&Path> {
        self.bed.kubeconfig().ok()
    }

    /// Takes away what a demo in the user's cluster installed there. Dropping the platform stops
    /// the rest.
    ///
    /// # Errors
    /// When something stays; it is named.
    pub async fn leave(&self, progress: impl Fn(&str)) -> Result<(), Error> {
        guest::remove(&self.client, self.installation().ok(), progress).await
    }
}

/// Waits until an operator says that it is ready.
pub async fn wait_ready(operator: &Operator) -> Result<(), Error> {
    let address = operator.metrics_addr();
    let ready = || async { http::status(address, "/readyz").await == Some(200) };
    expect(
        START,
        format!("the operator is ready (http://{address}/readyz)"),
        ready,
    )
    .await
}

/// Waits for something with a deadline.
pub async fn expect<F: Future<Output = bool>>(
    limit: Duration,
    what: String,
    predicate: impl Fn() -> F,
) -> Result<(), Error> {
    if wait::until(limit, predicate).await {
        Ok(())
    } else {
        Err(Error::Timeout { what, limit })
    }
}
