//! From nothing to a platform whose devices are registered.

use fleet_testbed::{Callout, OperatorOptions, OperatorRights, Testbed, wait};
use futures::future::try_join_all;
use serde_json::json;

use super::wanted::{Login, Place, Wanted};
use super::{Platform, RunningOperator, START, wait_ready};
use crate::cluster::Cluster;
use crate::helm::Major;
use crate::identity::{self, Identity};
use crate::installed::{self, Admission, Installation, Wait};
use crate::{Error, guest, workload};

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
        // On the heap: it would make the futures of all callers large.
        Box::pin(Self::start_wanted(wanted, progress)).await
    }

    /// Starts what is wanted, and reports each step through `progress`.
    pub async fn start_wanted(wanted: Wanted<'_>, progress: impl Fn(&str)) -> Result<Self, Error> {
        let (builder, what) = wanted.parts();
        progress(&format!("starting {what}NATS and the devices"));
        let bed = Box::pin(builder.start()).await?;
        let callout = async {
            let Login::Chain(options) = &wanted.login else {
                return Ok(None);
            };
            identity::start_callout(&bed, options).await.map(Some)
        };
        // Side by side: each waits for servers most of the time. On the heap, or the futures of all
        // callers would be large.
        let (images, callout, installed) = tokio::join!(
            load_images(&bed, wanted.devices),
            Box::pin(callout),
            Box::pin(install(&bed, &wanted, &progress))
        );
        let (operator, client) = installed?;
        let mut platform = Self {
            operator,
            identity: None,
            bed,
            client,
        };
        let prepared = images.and(callout);
        let joined = platform.join_devices(prepared, &wanted, &progress);
        let joined = Box::pin(joined).await;
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
            if !wanted.devices.is_empty() {
                progress("the devices enrol with a token each, and are approved");
            }
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

    /// Waits, for as long as it takes, until somebody has approved a device that asked, and starts
    /// its agent as the first two's.
    ///
    /// # Errors
    /// When the agent does not start.
    pub async fn welcome(&self, id: &str) -> Result<(), Error> {
        let device = self.bed.device(id)?;
        load_images(&self.bed, &[id]).await?;
        let enrolled = || async { device.is_enrolled() && device.enrolling().pid().is_none() };
        while !wait::until(START, enrolled).await {}
        Ok(device.start_agent().await?)
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
    Ok(RunningOperator::Process(Box::new(operator)))
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
