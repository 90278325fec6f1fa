//! Where this replica is, and what it is called.

use fleet_operator_core::rbac::LeasePlace;
use kube::Config;

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
