//! How the API server is reached: by a kubeconfig where there is one, else as a pod.
//!
//! kube leads every server of a kubeconfig through `HTTPS_PROXY`. Proxies of the environment are for
//! the way out of a network, and an API server that an operator belongs to is inside: only a
//! `proxy-url` of the kubeconfig itself counts.

use std::path::PathBuf;

use fleet_operator_core::rbac::LeasePlace;
use kube::Config;
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};

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
}

/// The configuration of the client.
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

/// Where the Lease is. By default in the namespace of the configuration: a pod's own, or that of
/// the kubeconfig's context.
pub fn lease_place(namespace: Option<String>, name: String, config: &Config) -> LeasePlace {
    LeasePlace {
        namespace: namespace.unwrap_or_else(|| config.default_namespace.trim().to_owned()),
        name,
    }
}

/// The name of this replica. A pod's host name is the pod's name, which is unique among replicas and
/// the same after a restart of the container; elsewhere replicas may share a host.
pub fn identity(given: Option<String>, variable: impl Fn(&str) -> Option<String>) -> String {
    let in_pod = variable("KUBERNETES_SERVICE_HOST").is_some();
    let host = variable("HOSTNAME").filter(|host| in_pod && !host.is_empty());
    let random = || format!("fleet-operator-{:08x}", fastrand::u32(..));
    given.or(host).unwrap_or_else(random)
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

    #[tokio::test]
    async fn the_lease_is_where_the_configuration_is() {
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig(""), &options).await;
        let mut config = config.expect("a configuration");
        let place = |given: Option<&str>, config: &Config| {
            lease_place(given.map(str::to_owned), "lease".to_owned(), config).namespace
        };
        assert_eq!(place(None, &config), "fleet");
        // A pod's namespace is read from a file, with whatever ends it.
        config.default_namespace = "fleet-system\n".into();
        assert_eq!(place(None, &config), "fleet-system");
        assert_eq!(place(Some("mine"), &config), "mine");
    }

    #[test]
    fn a_pod_goes_by_its_name_and_others_by_one_of_their_own() {
        let pod = |name: &str| match name {
            "KUBERNETES_SERVICE_HOST" => Some("10.96.0.1".to_owned()),
            "HOSTNAME" => Some("fleet-operator-7d9c-x2x".to_owned()),
            _ => None,
        };
        assert_eq!(identity(None, pod), "fleet-operator-7d9c-x2x");
        assert_eq!(identity(Some("a".into()), pod), "a");
        let host = |name: &str| (name == "HOSTNAME").then(|| "laptop".to_owned());
        assert_ne!(identity(None, host), identity(None, host));
    }
}
