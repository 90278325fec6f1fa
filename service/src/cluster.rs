//! How the API server is reached: by a kubeconfig where there is one, else as a pod.
//!
//! kube leads every server of a kubeconfig through `HTTPS_PROXY`. Proxies of the environment are for
//! the way out of a network, and an API server that a service belongs to is inside: only a
//! `proxy-url` of the kubeconfig itself counts.

use std::path::PathBuf;

use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};

/// Why there is no way to an API server.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A kubeconfig is there and cannot be used.
    #[error("failed to use the kubeconfig")]
    Kubeconfig(#[from] KubeconfigError),
    /// No kubeconfig, and not a pod.
    #[error(
        "no API server is configured: KUBECONFIG is not set, there is no ~/.kube/config, and this \
         is not a pod with a service account"
    )]
    Nothing(#[source] InClusterError),
    /// The client cannot be set up.
    #[error("failed to set up the client of the API server")]
    Client(#[source] Box<kube::Error>),
}

/// How many seconds a watch is asked to last; then it is opened again, from where it was. A connection
/// that is lost without a word, such as behind a firewall that forgets it, looks like one on which
/// nothing happens: kube gives a watch up five seconds after it should have ended, and no sooner.
pub const WATCH_SECONDS: u32 = 25;

/// A client with that configuration.
///
/// # Errors
/// As [`config`], or when it makes no client.
pub async fn client() -> Result<Client, ConfigError> {
    let client = Client::try_from(config().await?);
    client.map_err(|error| ConfigError::Client(Box::new(error)))
}

/// The configuration of the client.
///
/// # Errors
/// When a kubeconfig is not usable, or there is neither one nor a pod's service account.
pub async fn config() -> Result<Config, ConfigError> {
    let Some(kubeconfig) = kubeconfig()? else {
        return Config::incluster().map_err(ConfigError::Nothing);
    };
    let asked_for = has_proxy(&kubeconfig);
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    if !asked_for {
        config.proxy_url = None;
    }
    Ok(config)
}

/// One that `KUBECONFIG` names must be usable; the one at home need not exist.
fn kubeconfig() -> Result<Option<Kubeconfig>, KubeconfigError> {
    if let Some(named) = Kubeconfig::from_env()? {
        return Ok(Some(named));
    }
    let home = std::env::home_dir().map(|home| home.join(".kube").join("config"));
    let file: Option<PathBuf> = home.filter(|file| file.exists());
    file.map(Kubeconfig::read_from).transpose()
}

/// Whether the cluster of the current context names a proxy.
fn has_proxy(kubeconfig: &Kubeconfig) -> bool {
    let current = kubeconfig.current_context.as_deref();
    let mut contexts = kubeconfig.contexts.iter();
    let context = contexts.find(|c| Some(c.name.as_str()) == current);
    let cluster = context.and_then(|c| c.context.as_ref()).map(|c| &c.cluster);
    let mut clusters = kubeconfig.clusters.iter();
    let cluster = clusters.find(|c| Some(&c.name) == cluster);
    let proxy = cluster.and_then(|c| c.cluster.as_ref()?.proxy_url.as_deref());
    proxy.is_some_and(|url| !url.is_empty())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;
    use serde_json::json;

    fn kubeconfig(proxy: &str) -> Kubeconfig {
        let cluster = |name: &str, proxy: &str| {
            json!({"name": name, "cluster": {
                "server": "https://203.0.113.1:6443", "proxy-url": proxy}})
        };
        serde_json::from_value(json!({
            "clusters": [cluster("other", "http://proxy:3128"), cluster("ours", proxy)],
            "contexts": [{"name": "main", "context": {"cluster": "ours", "namespace": "fleet"}}],
            "current-context": "main",
        }))
        .expect("a kubeconfig")
    }

    #[test]
    fn only_the_proxy_of_the_current_cluster_counts() {
        assert!(has_proxy(&kubeconfig("http://proxy:3128")));
        assert!(!has_proxy(&kubeconfig("")));
    }
}
