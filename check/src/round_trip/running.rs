//! Something to run: it comes, changes and goes.

use fleet_api::Deployment;
use fleet_check_core::NAME;
use fleet_check_core::workload::{self, IMAGE, VALUES, VARIABLE};
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;

use super::TripError;
use super::error::kube;
use super::leaving;
use super::trip::Trip;
use super::wait::Look;

impl Trip {
    pub(super) async fn deploy(&mut self) -> Result<(), TripError> {
        let [first, _] = VALUES;
        let deployment = Deployment::new(NAME, workload::spec(first)?);
        let (params, deployments) = (PostParams::default(), &self.cluster.deployments);
        let created = deployments.create(&params, &deployment).await;
        created.map_err(kube("create the Deployment"))?;
        self.until_runs(first).await
    }

    pub(super) async fn change(&mut self) -> Result<(), TripError> {
        let [_, second] = VALUES;
        let patch = Patch::Merge(json!({"spec": workload::spec(second)?}));
        let (params, deployments) = (PatchParams::default(), &self.cluster.deployments);
        let patched = deployments.patch(NAME, &params, &patch).await;
        patched.map_err(kube("change the Deployment"))?;
        self.until_runs(second).await
    }

    pub(super) async fn delete(&mut self) -> Result<(), TripError> {
        leaving::delete_deployment(&self.cluster, &self.waiting).await?;
        let (podman, process) = (&self.podman, &mut self.process);
        let gone = self.waiting.until(async || {
            Self::check_agent(process.as_mut())?;
            Ok(podman.containers().remains().into())
        });
        gone.await
    }

    /// On the device, and by the status.
    async fn until_runs(&mut self, value: &str) -> Result<(), TripError> {
        let (podman, process) = (&self.podman, &mut self.process);
        let deployments = &self.cluster.deployments;
        let runs = self.waiting.until(async || {
            Self::check_agent(process.as_mut())?;
            let found = deployments.get(NAME).await;
            let found = found.map_err(kube("read the Deployment"))?;
            let missing = podman.containers().lacks(IMAGE, (VARIABLE, value));
            Ok(Look::from(missing.or_else(|| workload::lacks(&found))))
        });
        runs.await
    }
}
