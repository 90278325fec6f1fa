//! Which proxy leads to the API server, by the rules of Go's `httpproxy`, which kubectl follows.
//!
//! kube takes `HTTPS_PROXY` for any server and compares `NO_PROXY` with the proxy instead of the
//! server, so that a cluster on localhost would be asked through the proxy. A proxy of the
//! kubeconfig itself is none of this module's business.

use std::net::IpAddr;

use kube::config::Kubeconfig;

/// What the environment says needs no proxy.
pub fn no_proxy() -> String {
    let variable = std::env::var("NO_PROXY").or_else(|_| std::env::var("no_proxy"));
    variable.unwrap_or_default()
}

/// Whether a proxy of the environment must be left aside for this server.
pub fn is_bypassed(scheme: Option<&str>, host: &str, no_proxy: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip = host.parse::<IpAddr>().ok();
    scheme != Some("https")
        || host == "localhost"
        || ip.is_some_and(|ip| ip.is_loopback())
        || no_proxy
            .split(',')
            .map(str::trim)
            .any(|rule| covers(rule, host, ip))
}

/// `*`, a domain (with its subdomains), `.domain` (only those), an address, or a network.
fn covers(rule: &str, host: &str, ip: Option<IpAddr>) -> bool {
    if rule.is_empty() {
        return false;
    }
    if let (Some(ip), Some((network, bits))) = (ip, rule.split_once('/')) {
        let network = network.parse::<IpAddr>().ok().zip(bits.parse::<u32>().ok());
        return network.is_some_and(|(network, bits)| is_within(ip, network, bits));
    }
    let bare = rule.trim_start_matches("*.").trim_start_matches('.');
    let below = host
        .strip_suffix(bare)
        .is_some_and(|rest| rest.ends_with('.'));
    rule == "*" || below || (host == rule)
}

fn is_within(ip: IpAddr, network: IpAddr, bits: u32) -> bool {
    let (ip, network, width) = match (ip, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    let differing: u128 = ip ^ network;
    // Shifting by the full width is no shift in Rust: /0 covers all.
    bits <= width && differing.checked_shr(width - bits).unwrap_or(0) == 0
}

/// Whether the kubeconfig names a proxy for the cluster of this context.
pub(crate) fn is_configured(kubeconfig: &Kubeconfig, context: Option<&str>) -> bool {
    let context = context.or(kubeconfig.current_context.as_deref());
    let named = kubeconfig
        .contexts
        .iter()
        .find(|c| Some(c.name.as_str()) == context);
    let cluster = named
        .and_then(|c| c.context.as_ref())
        .map(|c| c.cluster.as_str());
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|c| Some(c.name.as_str()) == cluster);
    cluster
        .and_then(|c| c.cluster.as_ref())
        .and_then(|c| c.proxy_url.as_deref())
        .is_some_and(|url| !url.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("https", "api.example.com", "", false)]
    #[case("http", "api.example.com", "", true)]
    #[case("https", "127.0.0.1", "", true)]
    #[case("https", "[::1]", "", true)]
    #[case("https", "localhost", "", true)]
    #[case("https", "api.example.com", "*", true)]
    #[case("https", "api.example.com", "other.com, example.com", true)]
    #[case("https", "api.example.com", ".example.com", true)]
    #[case("https", "example.com", "example.com", true)]
    #[case("https", "example.com", ".example.com", false)]
    #[case("https", "badexample.com", "example.com", false)]
    #[case("https", "10.1.2.3", "10.0.0.0/8", true)]
    #[case("https", "11.1.2.3", "10.0.0.0/8", false)]
    #[case("https", "11.1.2.3", "0.0.0.0/0", true)]
    #[case("https", "10.1.2.3", "10.1.2.3", true)]
    #[case("https", "10.1.2.3", "10.0.0.0/99", false)]
    fn as_go_decides(
        #[case] scheme: &str,
        #[case] host: &str,
        #[case] no_proxy: &str,
        #[case] expected: bool,
    ) {
        assert_eq!(is_bypassed(Some(scheme), host, no_proxy), expected);
    }
}
