//! A device outside of the cluster: how it joins, and what it runs.

use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;

use fleet_api::{Deployment, DeviceEnrolment};
use fleet_e2e::command::Command;
use fleet_e2e::{http, workload};
use fleet_keys::catalogue::{AUTHORITY_ENTRY, PUBLIC_NAME};
use fleet_testbed::{Device, Invitation, Testbed, wait};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;

use crate::site::Site;

/// The device.
pub(crate) const DEVICE: &str = "dev-1";
/// The port of nodes at which devices ask to join.
pub(crate) const DOOR: u16 = 30_443;
/// Where its containers answer.
const PORT: u16 = 8080;
/// What deployments select.
const LABEL: (&str, &str) = ("demo", "web");

impl Site {
    pub(crate) fn device(&self) -> Arc<Device> {
        self.parts.device(DEVICE).expect("a device")
    }

    /// The images of the test workload, for the device has no registry.
    pub(crate) async fn load_images(&self) {
        for version in ["v1", "v2"] {
            let image = workload::image(version);
            let loaded = self.device().load_image(&image, version).await;
            loaded.expect("an image");
        }
    }

    /// A token is carried to the device with the authority that the cluster publishes, the device
    /// asks, somebody approves, and the device gets its label.
    pub(crate) async fn enrol_device(&self) {
        let token = ["token", "create", "--device-id", DEVICE];
        let token = self.run("fleet-auth", &token).await;
        let public: Api<ConfigMap> = self.namespaced();
        let public = public.get(PUBLIC_NAME).await.expect("public keys");
        let authority = self.parts.folder().join(AUTHORITY_ENTRY);
        fs::write(&authority, &public.data.expect("entries")[AUTHORITY_ENTRY]).expect("written");
        let invitation = Invitation {
            url: &door(&self.parts),
            ca_file: &authority,
            token: &token,
        };
        let device = self.device();
        device.enrol(&invitation).await.expect("asked");
        let asked = || async { self.enrolment().await.is_some() };
        if !wait::until(self.limit, asked).await {
            let log = device.enrolling().log();
            panic!("the device never asked: {log}\n{}", self.told().await);
        }
        let name = self.enrolment().await.expect("an enrolment");
        self.run("fleet", &["approve", &name]).await;
        let enrolled = || async { device.is_enrolled() && device.enrolling().pid().is_none() };
        if !wait::until(self.limit, enrolled).await {
            let log = device.enrolling().log();
            panic!("not enrolled: {log}\n{}", self.told().await);
        }
        device.start_agent().await.expect("an agent");
        self.label_device(&device).await;
    }

    /// A command of ours, as somebody types it.
    async fn run(&self, program: &str, args: &[&str]) -> String {
        let kubeconfig = self.parts.kubeconfig().expect("a kubeconfig");
        let command = Command::ours(program).expect("built");
        let command = command.cluster(Some(kubeconfig)).args(args.iter().copied());
        command.run().await.expect(program)
    }

    async fn enrolment(&self) -> Option<String> {
        let all: Api<DeviceEnrolment> = Api::all(self.client.clone());
        let all = all.list(&ListParams::default()).await.ok()?;
        all.items.first().map(ResourceExt::name_any)
    }

    async fn label_device(&self, device: &Device) {
        let devices: Api<fleet_api::Device> = Api::all(self.client.clone());
        let there = || async { matches!(devices.get_opt(DEVICE).await, Ok(Some(_))) };
        if !wait::until(self.limit, there).await {
            let log = device.agent_log();
            panic!("never registered: {log}\n{}", self.told().await);
        }
        let label = Patch::Merge(json!({"metadata": {"labels": {LABEL.0: LABEL.1}}}));
        let labelled = devices.patch(DEVICE, &PatchParams::default(), &label).await;
        labelled.expect("labelled");
    }

    /// Asks for a version of the test workload.
    pub(crate) async fn ask_for(&self, version: &str) {
        let deployment = workload::web("hello", LABEL, version, PORT).expect("a deployment");
        let api: Api<Deployment> = Api::namespaced(self.client.clone(), "default");
        let params = PatchParams::apply("test").force();
        let applied = api
            .patch("hello", &params, &Patch::Apply(&deployment))
            .await;
        applied.expect("applied");
    }

    /// Waits until the device's container answers with a version.
    pub(crate) async fn shows(&self, version: &str) {
        let device = self.device();
        let address = SocketAddr::new(device.host_ip(), PORT);
        if let Err(error) = http::wait_for(address, version, self.limit).await {
            panic!("{error}\n{}\n{}", device.agent_log(), self.told().await);
        }
    }

    /// Both.
    pub(crate) async fn device_runs(&self, version: &str) {
        self.ask_for(version).await;
        self.shows(version).await;
    }
}

/// Where devices ask to join.
pub(crate) fn door(parts: &Testbed) -> String {
    let node = parts.node().expect("a node");
    format!("https://{}:{DOOR}", node.host_ip())
}
