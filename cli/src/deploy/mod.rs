//! `fleet deploy`: builds a Deployment from flags and applies, prints, deletes and follows it.

pub mod build;
pub mod progress;
mod wait;

use fleet_api::Deployment;
use kube::Api;
use kube::api::{DeleteParams, Patch, PatchParams, ValidationDirective};
use serde_json::Value;

use crate::args::{ClusterFlags, DeployArgs};
use crate::cluster::{Cluster, ClusterError};
use crate::document::{self, DocumentError};
use crate::output::{OutputError, emit};
use crate::resource::KindName;
use build::{BuildError, Draft};

/// Who owns the fields that this program sets.
pub const FIELD_MANAGER: &str = "fleet-cli";

/// Why a deploy failed.
#[derive(Debug, thiserror::Error)]
pub enum DeployError {
    /// No Deployment could be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The cluster refused, or is away.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// It could not be printed.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// It will not get there without help.
    #[error("{name} failed: {cause}")]
    Failed {
        /// The Deployment.
        name: String,
        /// Device and reason, where one failed.
        cause: String,
    },
    /// It did not get there in time.
    #[error(
        "{name} is not ready after {seconds} s ({state}); it goes on, `fleet describe deployment` shows more"
    )]
    Timeout {
        /// The Deployment.
        name: String,
        /// How long it was waited for.
        seconds: u64,
        /// The last counts and error.
        state: String,
    },
    /// It was deleted while it was waited for.
    #[error("{0} was deleted while waiting for it")]
    Vanished(String),
}

/// Runs `fleet deploy`.
pub async fn run(flags: &ClusterFlags, args: &DeployArgs) -> Result<(), DeployError> {
    let name = args.name.as_deref().unwrap_or_default();
    if args.delete {
        let cluster = Cluster::connect(flags).await?;
        return delete(&cluster, name, args).await;
    }
    let mut draft = build::from_flags(name, flags.namespace.as_deref(), &args.workload)?;
    if args.print {
        return Ok(emit(document::write(&draft.json, args.output)?)?);
    }
    let cluster = Cluster::connect(flags).await?;
    settle_namespace(&mut draft, &cluster);
    let api = cluster.deployments();
    let before = api.get_opt(name).await.map_err(|e| cluster.explain(e))?;
    let params = PatchParams {
        force: args.force_conflicts,
        ..apply_params()
    };
    let applied = apply(&cluster, &api, &draft, &params).await?;
    let outcome = match &before {
        None => "created",
        Some(before) if before.metadata.generation == applied.metadata.generation => "unchanged",
        Some(_) => "configured",
    };
    emit(format!(
        "{} {outcome}\n",
        KindName::Deployment.reference(name)
    ))?;
    if args.wait {
        let generation = applied.metadata.generation.unwrap_or(0);
        wait::until_ready(&cluster, &api, name, generation, args.timeout).await?;
    }
    Ok(())
}

/// Server-side apply that refuses fields the CRD does not have instead of dropping them.
pub fn apply_params() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::default()
    }
}

/// Fills in the namespace of the context, where the draft names none.
pub fn settle_namespace(draft: &mut Draft, cluster: &Cluster) {
    let namespace = draft
        .deployment
        .metadata
        .namespace
        .get_or_insert_with(|| cluster.namespace.clone());
    draft.json["metadata"]["namespace"] = namespace.as_str().into();
}

/// Applies a draft.
pub async fn apply(
    cluster: &Cluster,
    api: &Api<Deployment>,
    draft: &Draft,
    params: &PatchParams,
) -> Result<Deployment, ClusterError> {
    let name = draft
        .deployment
        .metadata
        .name
        .as_deref()
        .unwrap_or_default();
    let patch: Patch<&Value> = Patch::Apply(&draft.json);
    api.patch(name, params, &patch)
        .await
        .map_err(|e| cluster.explain(e))
}

async fn delete(cluster: &Cluster, name: &str, args: &DeployArgs) -> Result<(), DeployError> {
    let api = cluster.deployments();
    api.delete(name, &DeleteParams::default())
        .await
        .map_err(|e| cluster.explain(e))?;
    emit(format!(
        "{} deleted\n",
        KindName::Deployment.reference(name)
    ))?;
    if args.wait {
        wait::until_gone(cluster, &api, name, args.timeout).await?;
    }
    Ok(())
}
