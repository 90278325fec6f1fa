//! The servers under test.

mod bus;
mod disk;
mod door;
mod metrics;
mod statuses;
mod usage;

use std::time::{Duration, Instant};

use fleet_api::Deployment;
use fleet_bus::stream::ensure_all;
use fleet_bus::{Bus, StreamSettings};
use fleet_testbed::{Operator, OperatorOptions, OperatorRights, Testbed};
use futures::{StreamExt as _, TryStreamExt as _};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, Client};

use crate::Error;
use crate::fleet::{Fleet, NAMESPACE, Workload};
use crate::progress::Progress;
use crate::record::Record;
use crate::report::{Credentials, Parameters};
pub use door::Door;
pub use metrics::leads;
pub use usage::Sampler;

/// Requests to the API server at once.
const REQUESTS: usize = 16;
/// Between two looks at something that is waited for.
const LOOK: Duration = Duration::from_millis(200);
/// The bus may hold this much of what devices say; the default is for 10,000 of them.
const ROOM: i64 = 8 << 30;
/// For the servers of a bus to find each other, and for an operator to lead.
const START: Duration = Duration::from_secs(60);

/// etcd, API server, NATS, operator and, where devices log in through it, the auth callout. What uses
/// the servers is declared first so that it is stopped first.
pub struct Platform {
    /// The operator; it may have been stopped.
    pub operator: Operator,
    /// The other one, if there are two.
    pub second: Option<Operator>,
    /// The auth callout, if devices log in through it.
    pub door: Option<Door>,
    /// The servers.
    pub bed: Testbed,
    /// To the API server, as admin.
    pub client: Client,
    /// To the bus, as the platform's own.
    pub bus: Bus,
    /// How the streams of the bus are made.
    pub streams: StreamSettings,
}

impl Platform {
    /// Starts all of it.
    ///
    /// # Errors
    /// When a server does not come up.
    pub async fn start(
        name: &str,
        parameters: &Parameters,
        progress: &Progress,
    ) -> Result<Self, Error> {
        progress.say("starting etcd, an API server and NATS");
        let builder = Testbed::builder(name).control_plane();
        let builder = builder.nats_cluster(parameters.nats);
        let through_callout = parameters.credentials == Credentials::Callout;
        let builder = if through_callout {
            builder.idp().callout()
        } else {
            builder
        };
        let bed = Box::pin(builder.start()).await?;
        bed.install_crds().await?;
        bed.grant_operator(&OperatorRights::default()).await?;
        let bus = Bus::over(bed.nats()?.operator_client().await?);
        let streams = StreamSettings {
            replicas: parameters.nats,
            desired_state_bytes: ROOM,
            device_state_bytes: ROOM,
            ..StreamSettings::default()
        };
        make_buckets(&bus, &streams).await?;
        let client = bed.kube_client().await?;
        let door = if through_callout {
            progress.say("starting the auth callout");
            Some(Door::open(&bed).await?)
        } else {
            None
        };
        progress.say("starting the operator");
        let replica = |name: &str| {
            let copies = parameters.nats.to_string();
            let options = OperatorOptions::replica(name).args(["--stream-replicas", &copies]);
            bed.start_operator(options)
        };
        let operator = replica("operator")?;
        let second = (parameters.operators > 1).then(|| replica("operator-2"));
        let platform = Self {
            operator,
            second: second.transpose()?,
            door,
            bed,
            client,
            bus,
            streams,
        };
        platform.leads().await?;
        Ok(platform)
    }

    /// All operators.
    pub fn operators(&self) -> impl Iterator<Item = &Operator> {
        std::iter::once(&self.operator).chain(&self.second)
    }

    /// Waits until an operator leads.
    ///
    /// # Errors
    /// When it does not in time.
    pub async fn leads(&self) -> Result<(), Error> {
        let leads = || async { self.leader().await.is_some() };
        until(START, "an operator leads", leads).await
    }

    /// The Deployments.
    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), NAMESPACE)
    }

    /// Creates all Deployments of a fleet.
    ///
    /// # Errors
    /// When the API server refuses one.
    pub async fn create(&self, fleet: &Fleet) -> Result<(), Error> {
        let (api, params) = (self.deployments(), PostParams::default());
        let create = |workload: &Workload| {
            let (api, params, object) = (api.clone(), params.clone(), workload.object());
            async move { api.create(&params, &object).await }
        };
        let made = futures::stream::iter(&fleet.workloads)
            .map(create)
            .buffer_unordered(REQUESTS);
        let made = made.try_for_each(|_| async { Ok(()) }).await;
        made.map_err(Error::kube("create a Deployment"))
    }

    /// Creates or changes a Deployment.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, object: &Deployment) -> Result<(), Error> {
        let name = object.metadata.name.as_deref().unwrap_or_default();
        let params = PatchParams::apply("fleet-loadtest").force();
        let api = self.deployments();
        let done = api.patch(name, &params, &Patch::Apply(object)).await;
        done.map(drop).map_err(Error::kube("apply a Deployment"))
    }

    /// Deletes a Deployment.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn delete(&self, name: &str) -> Result<(), Error> {
        let params = DeleteParams::default();
        let done = self.deployments().delete(name, &params).await;
        done.map(drop).map_err(Error::kube("delete a Deployment"))
    }

    /// Notes the versions of the servers.
    pub async fn versions(&self, record: &Record) {
        let mut found = vec![
            ("nats-server", self.bus.client().server_info().version),
            ("fleet-operator", env!("CARGO_PKG_VERSION").to_owned()),
        ];
        if let Ok(version) = self.client.apiserver_version().await {
            found.push(("kube-apiserver", version.git_version));
        }
        let versions = found.into_iter().map(|(name, v)| (name.to_owned(), v));
        record.notes().versions.extend(versions);
    }
}

impl std::fmt::Debug for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Platform")
            .field("bed", &self.bed.name())
            .finish_non_exhaustive()
    }
}

/// Servers of a cluster need a moment to find each other.
async fn make_buckets(bus: &Bus, streams: &StreamSettings) -> Result<(), Error> {
    let begun = Instant::now();
    loop {
        match ensure_all(bus.context(), streams).await {
            Err(_) if begun.elapsed() < START => tokio::time::sleep(LOOK).await,
            made => return made.map_err(Error::bus("make the buckets")),
        }
    }
}

/// Waits for a condition.
///
/// # Errors
/// When it is not met in time.
pub async fn until<F>(
    limit: Duration,
    what: &str,
    mut holds: impl FnMut() -> F,
) -> Result<(), Error>
where
    F: Future<Output = bool>,
{
    let deadline = Instant::now() + limit;
    while !holds().await {
        if Instant::now() >= deadline {
            let what = what.to_owned();
            return Err(Error::Timeout { what, limit });
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}
