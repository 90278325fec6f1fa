//! Reaching the API server the way kubectl does.
//!
//! A [`Cluster`] is a client and a namespace, from a kubeconfig and [`ClusterFlags`], and nothing else: making one
//! sends nothing, sets nothing up and needs none of the fleet's resources to be there.
//!
//! Must never: hold rights of its own, or write to a kubeconfig.

mod error;
mod flags;
pub mod proxy;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_api::{Deployment, Device};
use kube::api::ListParams;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::runtime::watcher;
use kube::{Api, Client, Config};
use serde::de::DeserializeOwned;

pub use error::ClusterError;
pub use flags::ClusterFlags;

/// A server that does not take the connection in this time is reported as unreachable.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Objects in one answer; kubectl's `--chunk-size`.
const PAGE: u32 = 500;

/// A client, and what a message about it has to name.
#[derive(Clone)]
pub struct Cluster {
    /// The client.
    pub client: Client,
    /// The namespace of the flags, else of the context, else `default`.
    pub namespace: String,
    url: String,
    source: String,
}

impl Cluster {
    /// Reads the configuration; nothing is sent yet.
    ///
    /// # Errors
    /// When there is none, or it cannot be used.
    pub async fn connect(flags: &ClusterFlags) -> Result<Self, ClusterError> {
        let (mut config, source) = load(flags).await?;
        config.connect_timeout = Some(CONNECT_TIMEOUT);
        let namespace = flags
            .namespace
            .clone()
            .unwrap_or_else(|| config.default_namespace.clone());
        let url = config
            .cluster_url
            .to_string()
            .trim_end_matches('/')
            .to_owned();
        let client = Client::try_from(config).map_err(|e| match e {
            kube::Error::Auth(_) => error::explain(e, &url, &source),
            e => ClusterError::Client {
                source_name: source.clone(),
                source: Box::new(e),
            },
        })?;
        Ok(Self {
            client,
            namespace,
            url,
            source,
        })
    }

    /// Which configuration says where it is.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where the API server is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The Deployments of the current namespace.
    pub fn deployments(&self) -> Api<Deployment> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// The Deployments of all namespaces.
    pub fn all_deployments(&self) -> Api<Deployment> {
        Api::all(self.client.clone())
    }

    /// The devices.
    pub fn devices(&self) -> Api<Device> {
        Api::all(self.client.clone())
    }

    /// All objects, page by page as kubectl fetches them: one answer with a large fleet would strain
    /// the server.
    pub async fn list<K>(&self, api: &Api<K>, params: ListParams) -> Result<Vec<K>, ClusterError>
    where
        K: Clone + DeserializeOwned + Debug,
    {
        let mut params = params.limit(PAGE);
        let mut all = vec![];
        loop {
            let page = api.list(&params).await.map_err(|e| self.explain(e))?;
            all.extend(page.items);
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    /// What a watch reports that no retry can heal; the rest is retried by whoever watches.
    pub fn lasting(&self, error: watcher::Error) -> Option<ClusterError> {
        let error = match error {
            watcher::Error::InitialListFailed(e)
            | watcher::Error::WatchStartFailed(e)
            | watcher::Error::WatchFailed(e) => e,
            watcher::Error::WatchError(status) => kube::Error::Api(status),
            watcher::Error::NoResourceVersion => return None,
        };
        let error = self.explain(error);
        let lasting = matches!(
            error,
            ClusterError::Unauthorized { .. }
                | ClusterError::NotInstalled { .. }
                | ClusterError::Credentials { .. }
                | ClusterError::NoToken { .. }
        );
        (lasting || error.is_forbidden()).then_some(error)
    }

    /// Turns what kube says into what a user can act on.
    pub fn explain(&self, error: kube::Error) -> ClusterError {
        error::explain(error, &self.url, &self.source)
    }
}

async fn load(flags: &ClusterFlags) -> Result<(Config, String), ClusterError> {
    let options = KubeConfigOptions {
        context: flags.context.clone(),
        ..Default::default()
    };
    let files = files(flags);
    let named = named(&files);
    if files.is_empty() {
        return Config::incluster()
            .map(|config| (config, "the pod's service account".to_owned()))
            .map_err(|_| ClusterError::NoKubeconfig);
    }
    let merged = merged(&files, flags)?;
    let own_proxy = proxy::is_configured(&merged, flags.context.as_deref());
    let mut config = Config::from_custom_kubeconfig(merged, &options)
        .await
        .map_err(|e| kubeconfig_error(e, &named, flags))?;
    let (url, no_proxy) = (&config.cluster_url, proxy::no_proxy());
    if !own_proxy && proxy::is_bypassed(url.scheme_str(), url.host().unwrap_or(""), &no_proxy) {
        config.proxy_url = None;
    }
    Ok((config, named))
}

/// The kubeconfig as kubectl merges it from several files; none, if there is no file.
pub fn kubeconfig(flags: &ClusterFlags) -> Result<Option<Kubeconfig>, ClusterError> {
    let files = files(flags);
    if files.is_empty() {
        return Ok(None);
    }
    merged(&files, flags).map(Some)
}

/// The files that make up the kubeconfig.
pub fn files(flags: &ClusterFlags) -> Vec<PathBuf> {
    match &flags.kubeconfig {
        Some(file) => vec![file.clone()],
        None => found_files(),
    }
}

fn merged(files: &[PathBuf], flags: &ClusterFlags) -> Result<Kubeconfig, ClusterError> {
    let read = |file: &PathBuf| Kubeconfig::read_from(file);
    files
        .iter()
        .try_fold(Kubeconfig::default(), |merged, file| {
            merged.merge(read(file)?)
        })
        .map_err(|e| kubeconfig_error(e, &named(files), flags))
}

fn named(files: &[PathBuf]) -> String {
    let names: Vec<_> = files.iter().map(|f| f.display().to_string()).collect();
    names.join(", ")
}

fn kubeconfig_error(source: KubeconfigError, file: &str, flags: &ClusterFlags) -> ClusterError {
    let file = file.to_owned();
    match (source, &flags.context) {
        (KubeconfigError::LoadContext(_), Some(context)) => ClusterError::NoContext {
            context: context.clone(),
            file,
        },
        (source, _) => ClusterError::Kubeconfig {
            file,
            source: Box::new(source),
        },
    }
}

/// The files of KUBECONFIG, else the default one; those that do not exist are left out, as
/// kubectl leaves them out.
fn found_files() -> Vec<PathBuf> {
    let listed: Vec<PathBuf> = std::env::var_os("KUBECONFIG")
        .map(|list| {
            std::env::split_paths(&list)
                .filter(|p| !p.as_os_str().is_empty())
                .collect()
        })
        .unwrap_or_default();
    let files = if listed.is_empty() {
        std::env::home_dir()
            .map(|home| home.join(".kube").join("config"))
            .into_iter()
            .collect()
    } else {
        listed
    };
    files
        .into_iter()
        .filter(|file: &PathBuf| Path::new(file).exists())
        .collect()
}
