//! The values of the check.

use chartgen::common::{ExistingSecret, FreeFormList, Image, Labels, Resources};
use schemars::JsonSchema;
use serde::Serialize;

/// A device for a minute: enrols, runs a container, has it changed and removed, and leaves. Its
/// containers are in memory; everything else is real.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Check {
    /// Let `helm test` run it. Nothing of it is there before.
    pub enabled: bool,
    /// Its image.
    pub image: Image,
    /// Seconds it may take.
    #[schemars(range(min = 5, max = 3600))]
    pub timeout_seconds: u32,
    /// The enrolment service, as pods reach it. Empty for the first of `auth.enrolmentApi.publicUrls`;
    /// any other has to be among them, and in the service's certificate.
    #[schemars(regex(pattern = r"^(https://[^,\s]+)?$"))]
    pub url: String,
    /// The bus, as pods reach it. Empty for what devices are told.
    #[schemars(regex(pattern = NATS_URL_OR_NONE))]
    pub nats_url: String,
    /// The Secret with the authority of the enrolment service's certificate. Without a name, that of
    /// `auth.enrolmentApi.tlsSecret`, or else the authority that the platform made.
    pub ca: ExistingSecret,
    /// Processor and memory of its pod.
    pub resources: Resources,
    /// Labels of nodes that it may run on.
    pub node_selector: Labels,
    /// Taints that it tolerates.
    pub tolerations: FreeFormList,
    /// Further environment variables, such as `SSL_CERT_FILE` for a bus or an identity provider that a
    /// public authority vouches for.
    pub extra_env: FreeFormList,
    /// Further volumes of its pod.
    pub extra_volumes: FreeFormList,
    /// Further mounts of its container.
    pub extra_volume_mounts: FreeFormList,
}

/// As the addresses of the bus elsewhere, or nothing.
const NATS_URL_OR_NONE: &str = r"^((nats|tls)://[^,\s]+(,(nats|tls)://[^,\s]+)*)?$";

impl Default for Check {
    fn default() -> Self {
        Self {
            enabled: true,
            image: Image::of("localhost", "fleet-check"),
            timeout_seconds: 120,
            url: String::new(),
            nats_url: String::new(),
            ca: ExistingSecret {
                name: String::new(),
                key: "ca.crt".to_owned(),
            },
            resources: Resources::default()
                .request("cpu", "50m")
                .request("memory", "32Mi")
                .limit("memory", "128Mi"),
            node_selector: Labels::default(),
            tolerations: FreeFormList::default(),
            extra_env: FreeFormList::default(),
            extra_volumes: FreeFormList::default(),
            extra_volume_mounts: FreeFormList::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workload::values::NATS_URL;

    #[test]
    fn the_addresses_of_the_bus_are_those_of_elsewhere_or_none() {
        let inner = NATS_URL.trim_start_matches('^').trim_end_matches('$');
        assert_eq!(NATS_URL_OR_NONE, format!("^({inner})?$"));
    }
}
