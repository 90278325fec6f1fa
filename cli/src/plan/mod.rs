//! `fleet plan`: what a Deployment would change on which devices, before it is applied.

mod claims;
mod compute;
mod render;

use fleet_api::Deployment;
use kube::Api;
use kube::api::{ListParams, PatchParams};

use crate::args::{ClusterFlags, PlanArgs, PlanFormat};
use crate::cluster::{Cluster, ClusterError};
use crate::deploy::build::{self, BuildError, Draft};
use crate::deploy::{apply, apply_params, settle_namespace};
use crate::output::{OutputError, emit};
pub use compute::{Action, Change, Clash, DevicePlan, Facts, Plan, Reachability, Winner, plan};

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// No Deployment could be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The cluster refused the Deployment, or is away.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The plan could not be printed; never for the types at hand.
    #[error("cannot write the plan as JSON")]
    Json(#[from] serde_json::Error),
    /// Flag and manifest differ.
    #[error("the manifest is for namespace {manifest:?}, --namespace says {flag:?}; leave one out")]
    Namespace {
        /// What the manifest says.
        manifest: String,
        /// What the flag says.
        flag: String,
    },
}

/// What `--detailed-exitcode` tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Applying would change nothing.
    NoChange,
    /// Applying would change something.
    Changes,
}

/// Runs `fleet plan`.
pub async fn run(flags: &ClusterFlags, args: &PlanArgs) -> Result<Outcome, PlanError> {
    let mut draft = draft(flags, args)?;
    let cluster = Cluster::connect(flags).await?;
    settle_namespace(&mut draft, &cluster);
    let namespace = draft
        .deployment
        .metadata
        .namespace
        .as_deref()
        .unwrap_or_default();
    let api: Api<Deployment> = Api::namespaced(cluster.client.clone(), namespace);
    let name = draft
        .deployment
        .metadata
        .name
        .as_deref()
        .unwrap_or_default();

    let existing = api.get_opt(name).await.map_err(|e| cluster.explain(e))?;
    // The server judges and completes the draft as it would when it is applied. Conflicts of
    // ownership are no matter of what devices will do.
    let params = PatchParams {
        dry_run: true,
        force: true,
        ..apply_params()
    };
    let wanted = apply(&cluster, &api, &draft, &params).await?;
    let devices = cluster
        .list(&cluster.devices(), ListParams::default())
        .await?;
    let (others, notes) = others(&cluster, &api).await?;

    let facts = Facts {
        wanted: &wanted,
        existing: existing.as_ref(),
        devices: &devices,
        others: &others,
    };
    let mut plan = plan(&facts);
    plan.notes.extend(notes);
    emit(match args.output {
        PlanFormat::Table => render::table(&plan),
        PlanFormat::Json => serde_json::to_string_pretty(&plan)? + "\n",
    })?;
    Ok(if plan.action == Action::None {
        Outcome::NoChange
    } else {
        Outcome::Changes
    })
}

fn draft(flags: &ClusterFlags, args: &PlanArgs) -> Result<Draft, PlanError> {
    let Some(file) = &args.filename else {
        let name = args.name.as_deref().unwrap_or_default();
        return Ok(build::from_flags(
            name,
            flags.namespace.as_deref(),
            &args.workload,
        )?);
    };
    let mut draft = build::from_manifest(file)?;
    match (
        draft.deployment.metadata.namespace.clone(),
        &flags.namespace,
    ) {
        (Some(manifest), Some(flag)) if manifest != *flag => Err(PlanError::Namespace {
            manifest,
            flag: flag.clone(),
        }),
        (None, Some(flag)) => {
            draft.deployment.metadata.namespace = Some(flag.clone());
            Ok(draft)
        }
        _ => Ok(draft),
    }
}

/// The Deployments that may clash; those of this namespace when others may not be seen.
async fn others(
    cluster: &Cluster,
    own: &Api<Deployment>,
) -> Result<(Vec<Deployment>, Option<String>), ClusterError> {
    match cluster
        .list(&cluster.all_deployments(), ListParams::default())
        .await
    {
        Ok(all) => Ok((all, None)),
        Err(error) if error.is_forbidden() => {
            let note = "clashes with Deployments of other namespaces are not shown: you may not \
                        list those";
            Ok((
                cluster.list(own, ListParams::default()).await?,
                Some(note.to_owned()),
            ))
        }
        Err(error) => Err(error),
    }
}
