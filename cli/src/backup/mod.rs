//! `fleet backup` and `fleet restore`: what cannot be found out again, as files.
//!
//! What `kubectl get -o json` prints cannot simply be applied again: an enrolment is only ever made
//! undecided, and its status, without which a device that has changed its key is locked out, goes another way.

mod kind;
mod plan;
mod saved;

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use fleet_files::private;
use fleet_keys::catalogue::{AUTHORITY_NAME, Name, OPENBAO_TLS_NAME, ZITADEL_NAME};
use fleet_keys::identity::{ADMINISTRATOR_NAME, TOKEN_NAME};
use kube::ResourceExt as _;
use kube::api::{Api, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use serde::Deserialize;

use crate::args::{BackupArgs, ClusterFlags, DEFAULT_NAMESPACE, RestoreArgs};
use crate::cluster::{Cluster, ClusterError};
use crate::file::FileError;
use crate::output::{OutputError, emit};

use kind::Kind;
use plan::{Step, next};
use saved::{list, saved};

/// The file with what people decided.
const RESOURCES: &str = "resources.json";
/// The file with keys.
const KEYS: &str = "keys.json";
/// What the names of OpenBao's seal keys begin with.
const SEAL: &str = "fleet-openbao-seal-";
/// The token of Zitadel's login pages. Like that of its first administrator its chart makes it once, with the
/// database, and never again.
const LOGIN_CLIENT: &str = "login-client";
/// Who makes what is restored.
const FIELD_MANAGER: &str = "fleet-restore";

/// Why nothing, or not all, was saved or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The cluster refused, or is away.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is nothing to go on with later.
    #[error(
        "there is no Secret {secret} in the namespace {0}, and without it devices follow nobody: \
         name the platform's with --namespace",
        secret = Name::Manifest.secret()
    )]
    NoKeys(String),
    /// Not a file that `fleet backup` wrote.
    #[error("{path} is no file of `fleet backup`", path = .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// Something that nobody saved.
    #[error("{path} holds {what}, which is not restored from backups", path = .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Which kind.
        what: String,
    },
    /// Namespaces are not saved.
    #[error("the namespace {0} is not there: create it, and run this again")]
    NoNamespace(String),
}

/// Runs `fleet backup`.
pub async fn backup(flags: &ClusterFlags, args: &BackupArgs) -> Result<(), BackupError> {
    let cluster = Cluster::connect(flags).await?;
    let namespace = flags.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let keys = keys(&cluster, namespace).await?;
    let mut resources = Vec::new();
    for kind in [Kind::Deployment, Kind::Device, Kind::Enrolment] {
        resources.extend(all(&cluster, kind, None).await?);
    }
    // Both or nothing, as far as the cluster goes; a folder of an earlier day is not written over.
    let folder = &args.folder;
    let made = DirBuilder::new().mode(0o700).create(folder);
    made.map_err(FileError::of("create", folder))?;
    for (file, objects) in [(RESOURCES, &resources), (KEYS, &keys)] {
        let path = folder.join(file);
        write(&path, objects)?;
        emit(format!("{}: {} objects\n", path.display(), objects.len()))?;
    }
    Ok(())
}

/// The keys of the platform, whoever made them.
async fn keys(cluster: &Cluster, namespace: &str) -> Result<Vec<DynamicObject>, BackupError> {
    let fixed = [
        AUTHORITY_NAME,
        OPENBAO_TLS_NAME,
        ZITADEL_NAME,
        TOKEN_NAME,
        ADMINISTRATOR_NAME,
        LOGIN_CLIENT,
    ];
    let is_ours = |name: &str| {
        name.starts_with(SEAL)
            || fixed.contains(&name)
            || Name::ALL.iter().any(|key| key.secret() == name)
    };
    let mut keys = all(cluster, Kind::Secret, Some(namespace)).await?;
    keys.retain(|key| is_ours(&key.name_any()));
    let signs = |key: &DynamicObject| key.name_any() == Name::Manifest.secret();
    if !keys.iter().any(signs) {
        return Err(BackupError::NoKeys(namespace.to_owned()));
    }
    Ok(keys)
}

/// The objects of a kind, the oldest first: of two that want the same, the older one gets it, and those
/// who are restored first are older.
async fn all(
    cluster: &Cluster,
    kind: Kind,
    namespace: Option<&str>,
) -> Result<Vec<DynamicObject>, BackupError> {
    let api = kind.api(&cluster.client, namespace);
    let mut found = cluster.list(&api, ListParams::default()).await?;
    found.sort_by_key(|object| (object.creation_timestamp(), object.name_any()));
    Ok(found.iter().filter_map(|o| saved(kind, o)).collect())
}

/// For nobody but its owner: of the resources, too, nobody else needs to know.
fn write(path: &Path, objects: &[DynamicObject]) -> Result<(), BackupError> {
    let text = format!("{:#}\n", list(objects));
    Ok(private::create(path, text.as_bytes()).map_err(FileError::of("write", path))?)
}

/// A file of objects.
#[derive(Deserialize)]
struct List {
    items: Vec<DynamicObject>,
}

/// Runs `fleet restore`. What was restored before an error is there.
pub async fn restore(flags: &ClusterFlags, args: &RestoreArgs) -> Result<(), BackupError> {
    let cluster = Cluster::connect(flags).await?;
    // All files first: half a backup would be a surprise later.
    let mut objects = Vec::new();
    for path in &args.files {
        objects.extend(read(path)?);
    }
    for (kind, object) in objects {
        let made = settle(&cluster, kind, &object).await?;
        let outcome = if made { "restored" } else { "kept" };
        let reference = kind.reference(&object.name_any());
        emit(format!("{reference} {outcome}\n"))?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<(Kind, DynamicObject)>, BackupError> {
    let text = fs::read(path).map_err(FileError::of("read", path))?;
    let list: List = serde_json::from_slice(&text).map_err(|source| BackupError::Content {
        path: path.to_owned(),
        source,
    })?;
    let known = |object: DynamicObject| match Kind::of(&object) {
        Some(kind) => Ok((kind, object)),
        None => Err(BackupError::Foreign {
            path: path.to_owned(),
            what: object
                .types
                .map_or_else(|| "no kind".to_owned(), |types| types.kind),
        }),
    };
    list.items.into_iter().map(known).collect()
}

/// Does what is to be done, and answers whether anything was.
async fn settle(cluster: &Cluster, kind: Kind, saved: &DynamicObject) -> Result<bool, BackupError> {
    let (name, namespace) = (saved.name_any(), saved.namespace());
    let api = kind.api(&cluster.client, namespace.as_deref());
    let mut done = false;
    loop {
        let found = api.get_opt(&name).await.map_err(|e| cluster.explain(e))?;
        let Some(step) = next(kind, saved, found.as_ref()) else {
            return Ok(done);
        };
        let made = execute(&api, &name, step).await;
        match made.map_err(|error| cluster.explain(error)) {
            Ok(()) => done = true,
            // The object is not there yet, so it can only be what it lies in.
            Err(error) if error.is_not_found() && found.is_none() => {
                return Err(BackupError::NoNamespace(namespace.unwrap_or_default()));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

async fn execute(api: &Api<DynamicObject>, name: &str, step: Step) -> Result<(), kube::Error> {
    let manager = Some(FIELD_MANAGER.to_owned());
    let params = PatchParams {
        field_manager: manager.clone(),
        ..PatchParams::default()
    };
    match step {
        Step::Create(object) => {
            let params = PostParams {
                field_manager: manager,
                ..PostParams::default()
            };
            api.create(&params, &object).await.map(drop)
        }
        Step::Change(patch) => api
            .patch(name, &params, &Patch::Merge(patch))
            .await
            .map(drop),
        Step::Report(patch) => {
            let patch = Patch::Merge(patch);
            api.patch_status(name, &params, &patch).await.map(drop)
        }
    }
}
