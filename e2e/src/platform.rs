//! The platform as the demo and the scenarios use it: testbed, CRDs, operator, agents.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use fleet_api::{Deployment, Device};
use fleet_testbed::{Builder, Callout, Operator, OperatorOptions, OperatorRights, Testbed, wait};
use futures::future::try_join_all;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use crate::cluster::{Cluster, Context, ImageName};
use crate::helm::Major;
use crate::identity::{self, ChainOptions, Identity};
use crate::installed::{self, Admission, Installation, Wait};
use crate::{Error, guest, http, workload};

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
    Process(Operator),
    /// As a pod, installed by the chart.
    Pod(Box<Installation>),
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The testbed's name.
    pub name: &'a str,
    /// The devices' ids.
    pub devices: &'a [&'a str],
    /// Seconds between heartbeats, where it is not the default; twice that until a device is stale.
    pub heartbeat: Option<u32>,
    /// Where the operator runs.
    pub operator: Place<'a>,
    /// How devices log in.
    pub login: Login,
}

/// How devices log in to the bus.
#[derive(Debug, Clone)]
pub enum Login {
    /// Each with an nkey that the server's configuration holds: for tests of other things.
    StaticKeys,
    /// As in a fleet: enrolled and approved, with tokens of the identity provider that the auth
    /// callout takes.
    Chain(ChainOptions),
}

/// Where the operator runs.
#[derive(Debug, Clone, Copy)]
pub enum Place<'a> {
    /// As a process beside the testbed's API server.
    Process,
    /// As a pod on the testbed's node, installed by its chart. Needs root.
    Pod,
    /// As a pod in the cluster that the user's kubectl talks to.
    Current(&'a Context, Option<&'a ImageName>),
}

impl<'a> Wanted<'a> {
    /// The testbed to be, and its servers in words.
    fn parts(&self) -> (Builder, String) {
        let builder = Testbed::builder(self.name).devices(self.devices.iter().copied());
        let (builder, cluster) = match self.operator {
            Place::Process => (
                builder.control_plane(),
                "etcd, API server, controller manager, ",
            ),
            Place::Pod => (
                builder.control_plane().node(),
                "etcd, API server, controllers, a node, ",
            ),
            Place::Current(..) => (builder, ""),
        };
        match self.login {
            Login::StaticKeys => (builder.nats(), cluster.to_owned()),
            Login::Chain(_) => (
                builder.callout().idp().openbao(),
                format!("{cluster}OpenBao, an identity provider, "),
            ),
        }
    }
}

impl Place<'_> {
    /// The namespace of enrolment tokens.
    fn token_namespace(&self) -> &'static str {
        match self {
            Self::Process | Self::Pod => "fleet-enrolment",
            // It goes with the rest of the guest.
            Self::Current(..) => guest::NAMESPACE,
        }
    }
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
    /// Starts everything with the operator as a process, and reports each step through `progress`.
    pub async fn start(
        name: &str,
        devices: &[&str],
        progress: impl Fn(&str),
    ) -> Result<Self, Error> {
        let wanted = Wanted {
            name,
            devices,
            heartbeat: None,
            operator: Place::Process,
            login: Login::StaticKeys,
        };
        Self::start_wanted(wanted, progress).await
    }

    /// Starts what is wanted, and reports each step through `progress`.
    pub async fn start_wanted(wanted: Wanted<'_>, progress: impl Fn(&str)) -> Result<Self, Error> {
        let (builder, what) = wanted.parts();
        progress(&format!("starting {what}NATS and the devices"));
        let bed = builder.start().await?;
        let callout = async {
            let Login::Chain(options) = &wanted.login else {
                return Ok(None);
            };
            identity::start_callout(&bed, wanted.devices, options)
                .await
                .map(Some)
        };
        // Side by side: each waits for servers most of the time.
        let (images, callout, installed) = tokio::join!(
            load_images(&bed, wanted.devices),
            callout,
            install(&bed, &wanted, &progress)
        );
        let (operator, client) = installed?;
        let mut platform = Self {
            operator,
            identity: None,
            bed,
            client,
        };
        let prepared = images.and(callout);
        let joined = platform.join_devices(prepared, &wanted, &progress).await;
        if joined.is_err() && matches!(wanted.operator, Place::Current(..)) {
            platform.leave(&progress).await?;
        }
        joined.map(|()| platform)
    }

    /// What devices need to log in, and the devices.
    async fn join_devices(
        &mut self,
        callout: Result<Option<Callout>, Error>,
        wanted: &Wanted<'_>,
        progress: impl Fn(&str),
    ) -> Result<(), Error> {
        if let (Some(callout), Login::Chain(options)) = (callout?, &wanted.login) {
            progress("starting the enrolment service");
            let client = self.client.clone();
            let namespace = wanted.operator.token_namespace();
            let further = &options.enrolment;
            let identity = Identity::start(&self.bed, callout, client, namespace, further).await?;
            progress("the devices enrol with a token each, and are approved");
            self.identity = Some(identity);
        } else {
            progress("starting the agents");
        }
        let starting = wanted
            .devices
            .iter()
            .map(|id| self.start_device(id, wanted));
        try_join_all(starting).await?;
        for id in wanted.devices {
            self.wait_device(id, "is registered", |_| true).await?;
        }
        Ok(())
    }

    async fn start_device(&self, id: &str, wanted: &Wanted<'_>) -> Result<(), Error> {
        let device = self.bed.device(id)?;
        if let Some(identity) = &self.identity {
            identity.enrol(&device).await?;
        }
        if let Some(seconds) = wanted.heartbeat {
            device.set_heartbeat_period(seconds);
        }
        Ok(device.start_agent().await?)
    }

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

/// Test images into the stores of all devices.
async fn load_images(bed: &Testbed, devices: &[&str]) -> Result<(), Error> {
    for id in devices {
        let device = bed.device(id)?;
        for version in ["v1", "v2"] {
            let image = workload::image(version);
            device.load_image(&image, version).await?;
        }
    }
    Ok(())
}

/// The definitions and the operator, and a client with the admin's rights.
async fn install(
    bed: &Testbed,
    wanted: &Wanted<'_>,
    progress: &impl Fn(&str),
) -> Result<(RunningOperator, kube::Client), Error> {
    let heartbeat = wanted.heartbeat;
    match wanted.operator {
        Place::Process => {
            let operator = start_process(bed, heartbeat, progress).await?;
            Ok((operator, bed.kube_client().await?))
        }
        Place::Pod => {
            let cluster = Cluster::of_testbed(bed).await?;
            let namespace = installed::NAMESPACE;
            let operator = start_pod(&cluster, bed, namespace, heartbeat, progress).await?;
            Ok((operator, cluster.client))
        }
        Place::Current(context, image) => {
            let cluster = Cluster::current(context, image.cloned(), bed.folder()).await?;
            guest::check(&cluster.client).await?;
            let started = start_pod(&cluster, bed, guest::NAMESPACE, heartbeat, progress).await;
            if started.is_err() {
                guest::remove(&cluster.client, None, progress).await?;
            }
            Ok((started?, cluster.client))
        }
    }
}

async fn start_process(
    bed: &Testbed,
    heartbeat: Option<u32>,
    progress: &impl Fn(&str),
) -> Result<RunningOperator, Error> {
    progress("installing the CRDs and the operator's roles");
    bed.install_crds().await?;
    bed.grant_operator(&OperatorRights::default()).await?;
    progress("starting the operator as a process");
    let period = heartbeat.map(|seconds| ["--heartbeat-period".to_owned(), seconds.to_string()]);
    let options = OperatorOptions::default().args(period.into_iter().flatten());
    let operator = bed.start_operator(options)?;
    wait_ready(&operator).await?;
    Ok(RunningOperator::Process(operator))
}

async fn start_pod(
    cluster: &Cluster,
    bed: &Testbed,
    namespace: &str,
    heartbeat: Option<u32>,
    progress: &impl Fn(&str),
) -> Result<RunningOperator, Error> {
    progress(&format!(
        "making the namespace {namespace} with its Secrets"
    ));
    let admission = Admission::Restricted;
    let chart = Installation::prepare(cluster, bed, Major::Four, namespace, admission).await?;
    let chart = match heartbeat {
        Some(seconds) => chart.with(&json!({"devices": {"heartbeatPeriodSeconds": seconds}})),
        None => chart,
    };
    progress("helm install: the operator as a pod");
    chart.install(Wait::Yes, &[]).await?;
    Ok(RunningOperator::Pod(Box::new(chart)))
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
