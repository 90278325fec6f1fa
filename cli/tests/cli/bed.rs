//! A cluster with our CRDs, and the program pointed at it.

use std::process::Command;
use std::time::Duration;

use fleet_api::{Deployment, Device};
use fleet_testbed::{Testbed, wait};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use crate::support::{self, Said};

/// For what takes a moment on a machine that also compiles.
const SOON: Duration = Duration::from_secs(30);

/// A cluster.
pub(crate) struct Bed {
    /// The servers.
    pub(crate) testbed: Testbed,
    /// A client, cluster admin.
    pub(crate) client: Client,
}

impl Bed {
    /// An API server that knows nothing of us.
    pub(crate) async fn empty(name: &str) -> Self {
        let testbed = Testbed::builder(name)
            .control_plane()
            .start()
            .await
            .expect("a testbed");
        let client = testbed.kube_client().await.expect("a client");
        Self { testbed, client }
    }

    /// An API server with our CRDs.
    pub(crate) async fn installed(name: &str) -> Self {
        let bed = Self::empty(name).await;
        bed.install().await;
        bed
    }

    /// Applies our CRDs and waits until the server serves them.
    pub(crate) async fn install(&self) {
        self.testbed.install_crds().await.expect("CRDs");
    }

    /// The devices.
    pub(crate) fn devices(&self) -> Api<Device> {
        Api::all(self.client.clone())
    }

    /// The Deployments of namespace `default`.
    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// A device with this label `site`, as the operator would make it.
    pub(crate) async fn add_device(&self, name: &str, site: &str, reachable: &str) {
        let device: Device = serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device",
            "metadata": {"name": name, "labels": {"device-id": name, "site": site}},
            "spec": {"inventory": {"architecture": "aarch64", "agentVersion": "0.1.0"}},
        }))
        .expect("a device");
        self.devices()
            .create(&PostParams::default(), &device)
            .await
            .expect("created");
        let status = json!({"status": {"conditions": [{"type": "Reachable", "status": reachable,
            "reason": "HeartbeatReceived", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        let params = PatchParams::default();
        self.devices()
            .patch_status(name, &params, &Patch::Merge(&status))
            .await
            .expect("patched");
    }

    /// Writes a Deployment's status, as the operator would.
    pub(crate) async fn set_status(&self, name: &str, status: &Value) {
        let patch = json!({"status": status});
        self.deployments()
            .patch_status(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("patched");
    }

    /// The program, pointed at this cluster.
    pub(crate) fn program(&self) -> Command {
        let mut command = support::program(env!("CARGO_BIN_EXE_fleet"));
        command.env(
            "KUBECONFIG",
            self.testbed.kubeconfig().expect("a kubeconfig"),
        );
        command
    }

    /// Runs the program.
    pub(crate) fn fleet(&self, args: &[&str]) -> Said {
        support::run(self.program(), args)
    }
}

/// Waits until the predicate holds.
pub(crate) async fn soon<F: Future<Output = bool>>(what: &str, predicate: impl Fn() -> F) {
    assert!(wait::until(SOON, predicate).await, "{what}");
}

/// A status in which one condition is true.
pub(crate) fn status(condition: &str, reason: &str, generation: i64, aggregate: &Value) -> Value {
    json!({"observedGeneration": generation, "aggregate": aggregate, "conditions": [
        {"type": condition, "status": "True", "reason": reason, "message": "",
         "lastTransitionTime": "2026-01-01T00:00:00Z"}]})
}
