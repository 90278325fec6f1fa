//! A cluster with a node, and a device beside it.

use std::time::Duration;

use fleet_api::{Deployment, Device};
use fleet_e2e::cluster::{Cluster, with_root};
use fleet_e2e::helm::Major;
use fleet_e2e::installed::{Admission, NAMESPACE};
use fleet_e2e::{Installation, http, workload};
use fleet_testbed::{Testbed, wait};
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

/// The device.
pub(crate) const DEVICE: &str = "dev-1";
/// Where its containers answer.
pub(crate) const PORT: u16 = 8080;
/// What the deployments select.
pub(crate) const LABEL: (&str, &str) = ("demo", "web");
/// For what takes a moment on an idle machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(90);

/// A cluster with a node and a bus, the namespace ready to install into, and a device.
pub(crate) struct Bed {
    pub(crate) parts: Testbed,
    pub(crate) client: kube::Client,
    pub(crate) chart: Installation,
}

impl Bed {
    /// Nothing where there is no root, which is said: a node cannot be without.
    pub(crate) async fn start(name: &str, major: Major, admission: Admission) -> Option<Self> {
        let bed = Testbed::builder(name)
            .control_plane()
            .node()
            .nats()
            .devices([DEVICE])
            .start()
            .await;
        let bed = with_root(name, bed).expect("a cluster")?;
        let cluster = Cluster::of_testbed(&bed).await.expect("an image");
        let chart = Installation::prepare(&cluster, &bed, major, NAMESPACE, admission)
            .await
            .expect("a namespace with Secrets");
        let device = bed.device(DEVICE).expect("a device");
        for version in ["v1", "v2"] {
            device
                .load_image(&workload::image(version), version)
                .await
                .expect("an image");
        }
        let client = bed.kube_client().await.expect("a client");
        Some(Self {
            parts: bed,
            client,
            chart,
        })
    }

    pub(crate) fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) fn devices(&self) -> Api<Device> {
        Api::all(self.client.clone())
    }

    /// Starts the agent, and labels the device as soon as it is there.
    pub(crate) async fn join_device(&self) {
        let device = self.parts.device(DEVICE).expect("a device");
        device.start_agent().await.expect("an agent");
        let there = || async { matches!(self.devices().get_opt(DEVICE).await, Ok(Some(_))) };
        assert!(wait::until(LIMIT, there).await, "the device registers");
        let labels = json!({"metadata": {"labels": {LABEL.0: LABEL.1}}});
        self.devices()
            .patch(DEVICE, &PatchParams::default(), &Patch::Merge(labels))
            .await
            .expect("labelled");
    }

    /// Applies the test workload in a version, and waits until the device's container answers with
    /// it and the status says so.
    pub(crate) async fn deploy(&self, version: &str) {
        let deployment = workload::web("hello", LABEL, version, PORT).expect("a deployment");
        self.deployments()
            .patch(
                "hello",
                &PatchParams::apply("test").force(),
                &Patch::Apply(&deployment),
            )
            .await
            .expect("applied");
        self.answers(version).await;
        let counted = || async {
            let found = self.deployments().get("hello").await.ok();
            let status = found.and_then(|d| d.status);
            status.is_some_and(|s| {
                s.aggregate.matched_device_count == 1 && s.aggregate.succeeded == 1
            })
        };
        assert!(
            wait::until(LIMIT, counted).await,
            "the status counts {version}"
        );
    }

    /// The device's container answers with this page.
    pub(crate) async fn answers(&self, page: &str) {
        let device = self.parts.device(DEVICE).expect("a device");
        let address = std::net::SocketAddr::new(device.host_ip(), PORT);
        http::wait_for(address, page, LIMIT)
            .await
            .expect("an answer");
    }

    /// The container that runs on the device, by its id.
    pub(crate) async fn container(&self) -> String {
        let device = self.parts.device(DEVICE).expect("a device");
        let ids = device.podman_ok(["ps", "--quiet", "--no-trunc"]).await;
        ids.expect("podman answers").trim().to_owned()
    }

    /// What the bus holds for devices.
    pub(crate) async fn desired_keys(&self) -> u64 {
        let nats = self.parts.nats().expect("a bus").operator_client().await;
        let jetstream = async_nats::jetstream::new(nats.expect("a login"));
        let mut stream = jetstream
            .get_stream("KV_desired-state")
            .await
            .expect("the stream");
        stream.info().await.expect("its state").state.messages
    }
}
