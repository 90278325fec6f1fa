//! `fleet describe`: all that is known of one object.

mod deployment;
mod device;
mod enrolment;
mod events;
mod text;

use fleet_api::{Device, DeviceEnrolment};
use jiff::Timestamp;
use kube::Api;
use kube::api::ListParams;

use crate::args::{ClusterFlags, DescribeArgs};
use crate::cluster::{Cluster, ClusterError};
use crate::output::{OutputError, emit};
use crate::resource::KindName;
use crate::selector::Targets;

/// Why an object could not be described.
#[derive(Debug, thiserror::Error)]
pub enum DescribeError {
    /// The cluster refused, or is away.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// No name was given.
    #[error("say which: fleet describe {0} NAME")]
    NoName(&'static str),
}

/// A part of the answer that comes from other objects. Whoever may read one object may not be
/// allowed to read those; the answer then says so and goes on.
type Related<T> = Result<Vec<T>, ClusterError>;

/// Runs `fleet describe`.
pub async fn run(flags: &ClusterFlags, args: &DescribeArgs) -> Result<(), DescribeError> {
    let kind = args.resource.kind;
    let name = args.resource.name.as_deref().or(args.name.as_deref());
    let name = name.ok_or_else(|| DescribeError::NoName(kind.spoken()))?;
    let cluster = Cluster::connect(flags).await?;
    let text = match kind {
        KindName::Device => describe_device(&cluster, name).await?,
        KindName::Deployment => describe_deployment(&cluster, name).await?,
        KindName::Enrolment => describe_enrolment(&cluster, name).await?,
    };
    Ok(emit(text)?)
}

async fn describe_device(cluster: &Cluster, name: &str) -> Result<String, ClusterError> {
    let device = cluster
        .devices()
        .get(name)
        .await
        .map_err(|e| cluster.explain(e))?;
    let deployments = cluster
        .list(&cluster.all_deployments(), ListParams::default())
        .await;
    let matching = deployments.map(|mut all| {
        all.retain(|deployment| Targets::of(&deployment.spec).contain(&device));
        all
    });
    let events = events::of(cluster, KindName::Device, &device).await;
    Ok(device::render(
        &device,
        &matching,
        &events,
        Timestamp::now(),
    ))
}

async fn describe_enrolment(cluster: &Cluster, name: &str) -> Result<String, ClusterError> {
    let api: Api<DeviceEnrolment> = Api::all(cluster.client.clone());
    let found = api.get(name).await.map_err(|e| cluster.explain(e))?;
    Ok(enrolment::render(&found, Timestamp::now()))
}

async fn describe_deployment(cluster: &Cluster, name: &str) -> Result<String, ClusterError> {
    let deployment = cluster
        .deployments()
        .get(name)
        .await
        .map_err(|e| cluster.explain(e))?;
    let targets = Targets::of(&deployment.spec);
    let devices = cluster
        .list(&cluster.devices(), ListParams::default())
        .await;
    let matching = devices.map(|mut all: Vec<Device>| {
        all.retain(|device| targets.contain(device));
        all
    });
    let events = events::of(cluster, KindName::Deployment, &deployment).await;
    Ok(deployment::render(
        &deployment,
        &matching,
        &events,
        Timestamp::now(),
    ))
}
