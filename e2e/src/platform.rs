//! The platform as the demo and the scenarios use it: testbed, CRDs, operator, agents.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fleet_api::{Deployment, Device};
use fleet_testbed::{Operator, OperatorOptions, OperatorRights, Testbed, wait};
use kube::api::{Api, DeleteParams, Patch, PatchParams};

use crate::{Error, http, workload};

/// The namespace of the demo's deployments.
pub const NAMESPACE: &str = "default";
/// Who writes, for server-side apply.
const MANAGER: &str = "fleet-demo";
/// How long parts may take to come up on a busy machine.
const START: Duration = Duration::from_secs(60);

/// A running platform. Dropping it stops everything.
pub struct Platform {
    /// Its only operator. Declared before the testbed so that it is stopped first.
    pub operator: Operator,
    /// Servers and devices.
    pub bed: Testbed,
    /// A client with the admin's rights.
    pub client: kube::Client,
}

impl Platform {
    /// Starts everything, and reports each step through `progress`.
    pub async fn start(
        name: &str,
        devices: &[&str],
        progress: impl Fn(&str),
    ) -> Result<Self, Error> {
        Self::start_with_heartbeat(name, devices, None, progress).await
    }

    /// As [`Platform::start`], with heartbeats every so many seconds and twice that until a device
    /// counts as stale.
    pub async fn start_with_heartbeat(
        name: &str,
        devices: &[&str],
        heartbeat: Option<u32>,
        progress: impl Fn(&str),
    ) -> Result<Self, Error> {
        progress("starting etcd, API server, controller manager, NATS and the devices");
        let bed = Testbed::builder(name)
            .control_plane()
            .nats()
            .devices(devices.iter().copied())
            .start()
            .await?;
        let client = bed.kube_client().await?;
        progress("installing the CRDs and the operator's roles");
        bed.install_crds().await?;
        bed.grant_operator(&OperatorRights::default()).await?;
        progress("starting the operator");
        let period =
            heartbeat.map(|seconds| ["--heartbeat-period".to_owned(), seconds.to_string()]);
        let options = OperatorOptions::default().args(period.into_iter().flatten());
        let operator = bed.start_operator(options)?;
        wait_ready(&operator).await?;
        let platform = Self {
            operator,
            bed,
            client,
        };
        progress("loading test images and starting the agents");
        platform.start_devices(devices, heartbeat).await?;
        Ok(platform)
    }

    async fn start_devices(&self, devices: &[&str], heartbeat: Option<u32>) -> Result<(), Error> {
        for id in devices {
            let device = self.bed.device(id)?;
            for version in ["v1", "v2"] {
                device
                    .load_image(&workload::image(version), version)
                    .await?;
            }
            if let Some(seconds) = heartbeat {
                device.set_heartbeat_period(seconds);
            }
            device.start_agent().await?;
        }
        for id in devices {
            self.wait_device(id, "is registered", |_| true).await?;
        }
        Ok(())
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
        let api = self.deployments();
        let holds = || async { api.get(name).await.is_ok_and(|found| predicate(&found)) };
        expect(START, format!("Deployment {name} {what}"), holds).await
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

    /// The ids of the device's running containers.
    pub async fn containers(&self, device: &str) -> Result<Vec<String>, Error> {
        let ids = self
            .bed
            .device(device)?
            .podman_ok(["ps", "--quiet", "--no-trunc"])
            .await?;
        Ok(ids.lines().map(str::to_owned).collect())
    }

    /// The kubeconfig of the admin.
    pub fn kubeconfig(&self) -> Result<&Path, Error> {
        Ok(self.bed.kubeconfig()?)
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
