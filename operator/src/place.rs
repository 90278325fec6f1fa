//! Where the replicas' Lease is.

use fleet_operator_core::rbac::LeasePlace;
use kube::Config;

/// Where the Lease is. By default in the namespace of the configuration: a pod's own, or that of
/// the kubeconfig's context.
pub fn lease_place(namespace: Option<String>, name: String, config: &Config) -> LeasePlace {
    LeasePlace {
        namespace: namespace.unwrap_or_else(|| own_namespace(config)),
        name,
    }
}

/// The namespace of the configuration. A pod's is read from a file, with whatever ends it.
pub fn own_namespace(config: &Config) -> String {
    config.default_namespace.trim().to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;
    use kube::config::KubeConfigOptions;
    use serde_json::json;

    async fn config(namespace: &str) -> Config {
        let kubeconfig = serde_json::from_value(json!({
            "clusters": [{"name": "ours", "cluster": {"server": "https://203.0.113.1:6443"}}],
            "contexts": [{"name": "main", "context": {"cluster": "ours", "namespace": namespace}}],
            "current-context": "main",
        }));
        let options = KubeConfigOptions::default();
        let config = Config::from_custom_kubeconfig(kubeconfig.expect("a kubeconfig"), &options);
        config.await.expect("a configuration")
    }

    #[tokio::test]
    async fn the_lease_is_where_the_configuration_is() {
        let mut config = config("fleet").await;
        let place = |given: Option<&str>, config: &Config| {
            lease_place(given.map(str::to_owned), "lease".to_owned(), config).namespace
        };
        assert_eq!(place(None, &config), "fleet");
        // A pod's namespace is read from a file, with whatever ends it.
        config.default_namespace = "fleet-system\n".into();
        assert_eq!(place(None, &config), "fleet-system");
        assert_eq!(place(Some("mine"), &config), "mine");
    }
}
