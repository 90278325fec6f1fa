//! Removing everything: what this run made, and what one that was killed left.
//!
//! Nothing is remembered of what was made but the names of tokens. The rest is found by the name that all
//! checks share, so this can be repeated, and is done before the first step as after the last.

use std::fmt;
use std::time::Duration;

use fleet_api::{Decision, DeviceEnrolment};
use fleet_auth_core::enrol::secret_name;
use fleet_check_core::NAME;
use fleet_check_core::device::{Parting, parting};
use fleet_service::chain;
use kube::ResourceExt as _;
use kube::api::{DeleteParams, Preconditions};
use tokio::time::timeout;

use super::TripError;
use super::error::kube;
use super::trip::Cluster;
use super::wait::{Look, Waiting};

/// Something that could not be removed.
#[derive(Debug)]
pub struct Remains {
    /// What, as kubectl knows it.
    pub what: String,
    /// Why not.
    pub why: String,
}

impl fmt::Display for Remains {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}

/// Removes all of it. The agent must not run any more: it would bring its Device back.
pub(super) async fn leave(
    cluster: &Cluster,
    tokens: &[String],
    patience: Duration,
) -> Vec<Remains> {
    let [deployment, enrolments, device] = <[Waiting; 3]>::default();
    let (deployment, enrolments, tokens) = tokio::join!(
        part(
            format!("deployments.fleet.nationtech.io/{NAME}"),
            patience,
            &deployment,
            delete_deployment(cluster, &deployment)
        ),
        part(
            format!("deviceenrolments with label device-id={NAME}"),
            patience,
            &enrolments,
            delete_enrolments(cluster, &enrolments)
        ),
        part(
            format!("secrets {}", tokens.join(", ")),
            patience,
            &device,
            delete_tokens(cluster, tokens)
        ),
    );
    let what = format!("devices.fleet.nationtech.io/{NAME}");
    let last = part(what, patience, &device, delete_device(cluster, &device)).await;
    [deployment, enrolments, tokens, last]
        .into_iter()
        .flatten()
        .collect()
}

async fn part(
    what: String,
    patience: Duration,
    waiting: &Waiting,
    removing: impl Future<Output = Result<(), TripError>>,
) -> Option<Remains> {
    let why = match timeout(patience, removing).await {
        Ok(Ok(())) => return None,
        Ok(Err(error)) => chain(&error),
        Err(_) => waiting.last(),
    };
    Some(Remains { what, why })
}

/// Deletes it, and waits until the operator has let it go.
pub(super) async fn delete_deployment(
    cluster: &Cluster,
    waiting: &Waiting,
) -> Result<(), TripError> {
    let (all, now) = (&cluster.deployments, DeleteParams::default());
    waiting
        .until(async || {
            let deleted = unless_missing(all.delete(NAME, &now).await);
            let deleted = deleted.map_err(kube("delete the Deployment"))?;
            let going = "the operator has not let the Deployment go".to_owned();
            Ok(deleted.map(|_| going).into())
        })
        .await
}

async fn delete_device(cluster: &Cluster, waiting: &Waiting) -> Result<(), TripError> {
    let (all, now) = (&cluster.devices, DeleteParams::default());
    waiting
        .until(async || {
            let deleted = unless_missing(all.delete(NAME, &now).await);
            let deleted = deleted.map_err(kube("delete the Device"))?;
            Ok(deleted
                .map(|_| "the Device is still there".to_owned())
                .into())
        })
        .await
}

/// Shuts the device out before its enrolment goes: after that nobody would.
async fn delete_enrolments(cluster: &Cluster, waiting: &Waiting) -> Result<(), TripError> {
    waiting
        .until(async || {
            let mut missing = None;
            for enrolment in cluster.list_enrolments().await? {
                missing = Some(delete_enrolment(cluster, &enrolment).await?);
            }
            Ok(Look::from(missing))
        })
        .await
}

/// One move on its way out; says what is to come.
async fn delete_enrolment(
    cluster: &Cluster,
    enrolment: &DeviceEnrolment,
) -> Result<String, TripError> {
    let name = enrolment.name_any();
    match parting(enrolment) {
        Parting::Deny => {
            cluster.decide(&name, Decision::Denied).await?;
            Ok("the enrolment service has not seen the denial".to_owned())
        }
        Parting::Wait(said) => Ok(said),
        Parting::Delete => {
            // Named by its id, as a run that was killed cannot name it.
            let token = secret_name(&enrolment.spec.token_id);
            delete_tokens(cluster, &[token]).await?;
            let only = Preconditions {
                uid: enrolment.uid(),
                resource_version: None,
            };
            let params = DeleteParams {
                preconditions: Some(only),
                ..DeleteParams::default()
            };
            let deleted = unless_missing(cluster.enrolments.delete(&name, &params).await);
            deleted.map_err(kube("delete the DeviceEnrolment"))?;
            Ok("the DeviceEnrolment is still there".to_owned())
        }
    }
}

async fn delete_tokens(cluster: &Cluster, names: &[String]) -> Result<(), TripError> {
    for name in names {
        let deleted = cluster.tokens.delete(name, &DeleteParams::default()).await;
        unless_missing(deleted).map_err(kube("delete the Secret of an enrolment token"))?;
    }
    Ok(())
}

/// None if there was nothing to delete.
fn unless_missing<T>(deleted: Result<T, kube::Error>) -> Result<Option<T>, kube::Error> {
    match deleted {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        other => other.map(Some),
    }
}
