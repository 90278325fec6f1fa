//! The charts of others that come with the platform.
//!
//! For a newer version: change it here, and the images with it; run the tests with
//! `FLEET_UPSTREAM_CHARTS` naming a folder in which each chart is unpacked under its name. They say
//! which keys of the presets the chart no longer has, which images its pods run, what is not
//! restricted any more, and whether the bus is still configured as the test bed's.

use chartgen::Dependency;

/// A chart of somebody else, in one version: its values and images are those that the presets and
/// the list of images were checked with.
#[derive(Debug, Clone, Copy)]
pub struct Upstream {
    /// The chart; also the key of its values.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The repository it is in.
    pub repository: &'static str,
    /// The images that its pods run with our presets.
    pub images: &'static [&'static str],
}

/// The bus.
pub const NATS: Upstream = Upstream {
    name: "nats",
    version: "2.14.2",
    repository: "https://nats-io.github.io/k8s/helm/charts/",
    images: &[
        "docker.io/nats:2.14.2-alpine",
        "docker.io/natsio/nats-server-config-reloader:0.23.0",
    ],
};

/// Where decisions about devices are kept.
pub const OPENBAO: Upstream = Upstream {
    name: "openbao",
    version: "0.29.2",
    repository: "https://openbao.github.io/openbao-helm",
    images: &[
        "quay.io/openbao/openbao:2.6.2",
        // On OpenShift.
        "quay.io/openbao/openbao-ubi:2.6.2",
    ],
};

/// The identity provider.
pub const ZITADEL: Upstream = Upstream {
    name: "zitadel",
    version: "9.34.0",
    repository: "https://charts.zitadel.com",
    images: &[
        "docker.io/alpine/k8s:1.36.3",
        "docker.io/wait4x/wait4x:3.6",
        "ghcr.io/zitadel/zitadel-login:v4.13.0",
        "ghcr.io/zitadel/zitadel:v4.13.0",
    ],
};

/// All of them.
pub const ALL: [Upstream; 3] = [NATS, OPENBAO, ZITADEL];

impl Upstream {
    /// As a dependency that `<name>.enabled` switches.
    pub(super) fn dependency(&self) -> Dependency {
        Dependency {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            repository: self.repository.to_owned(),
            condition: Some(format!("{}.enabled", self.name)),
            alias: None,
        }
    }
}
