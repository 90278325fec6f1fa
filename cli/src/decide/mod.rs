//! `fleet approve` and `fleet deny`: decide about devices that asked to join.

use fleet_api::{Approval, Decision, DeviceEnrolment};
use kube::Api;
use kube::api::{Patch, PatchParams};

use crate::args::{ClusterFlags, DecideArgs};
use crate::cluster::{Cluster, ClusterError};
use crate::output::{OutputError, emit};
use crate::resource::KindName;

/// Why nothing, or not all, was decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The cluster refused, or is away.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
}

/// Runs `fleet approve` or `fleet deny`. What was decided before an error stays decided.
pub async fn run(
    flags: &ClusterFlags,
    args: &DecideArgs,
    decision: Decision,
) -> Result<(), DecideError> {
    let cluster = Cluster::connect(flags).await?;
    let api: Api<DeviceEnrolment> = Api::all(cluster.client.clone());
    let params = PatchParams::default();
    let message = args.reason.clone();
    let patch = Patch::Merge(Approval { decision, message }.merge_patch());
    for name in &args.names {
        let name = name.rsplit('/').next().unwrap_or(name);
        let patched = api.patch(name, &params, &patch).await;
        let patched = patched.map_err(|e| cluster.explain(e))?;
        emit(line(&patched, name, decision))?;
    }
    Ok(())
}

/// Names device and key, so that a slip is seen at once.
fn line(enrolment: &DeviceEnrolment, name: &str, decision: Decision) -> String {
    let reference = KindName::Enrolment.reference(name);
    let (device, key) = (&enrolment.spec.device_id, &enrolment.spec.fingerprint);
    let done = match decision {
        Decision::Approved => "approved",
        Decision::Denied => "denied",
    };
    format!("{reference} {done} (device {device}, key {key})\n")
}
