//! The platform as components: which chart, from where, in which wave, and what becomes of it.

mod applications;
mod projects;

pub use applications::{Mirrors, application, defaults, root};
pub use projects::{ALLOWED_CLUSTER_KINDS, ALLOWED_KINDS, projects};

use crate::argo::Wave;

/// The namespace of Argo CD.
pub const ARGOCD: &str = "argocd";
/// The namespace of the platform.
pub const SYSTEM: &str = "fleet-system";
/// The namespace of the first Deployments.
pub const WORKLOADS: &str = "fleet-workloads";
/// The project of the root application: it makes applications and nothing else.
pub const ROOT_PROJECT: &str = "fleet-root";
/// The project of all others: they make everything but applications.
pub const PROJECT: &str = "fleet";
/// Where these manifests lie in the repository.
pub const FOLDER: &str = "gitops/manifests";
/// Where an installation's own values lie; no file has to be there.
pub const SITE_FOLDER: &str = "gitops/site";

/// A chart that is installed as an application of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Component {
    /// The definitions of our resources.
    Definitions,
    /// Where policies of devices are kept.
    OpenBao,
    /// The identity provider.
    Zitadel,
    /// The bus.
    Nats,
    /// The operator.
    Operator,
}

/// Where a chart comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    /// A folder of this repository.
    Ours(&'static str),
    /// A chart of others, in exactly one version.
    Upstream(Upstream),
}

/// A chart of others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upstream {
    /// The repository of charts.
    pub repository: &'static str,
    /// The chart.
    pub chart: &'static str,
    /// The version.
    pub version: &'static str,
    /// Whether its schema can be checked without the internet.
    pub schema: Schema,
}

/// What a chart's schema refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schema {
    /// To itself.
    Local,
    /// To pages of the internet, which are fetched at each render.
    Remote,
}

/// What becomes of a component's objects when its application is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// They go. What they keep on volumes and in resources of ours stays.
    Removed,
    /// They stay: with them goes what nobody can make again.
    Kept,
}

impl Component {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Definitions,
        Self::OpenBao,
        Self::Zitadel,
        Self::Nats,
        Self::Operator,
    ];

    /// The name of application and release.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Definitions => "fleet-crds",
            Self::OpenBao => "openbao",
            Self::Zitadel => "zitadel",
            Self::Nats => "nats",
            Self::Operator => "fleet-operator",
        }
    }

    /// When it is synced.
    pub const fn wave(self) -> Wave {
        match self {
            Self::Definitions => Wave::Definitions,
            Self::OpenBao => Wave::Secrets,
            Self::Zitadel => Wave::Identity,
            Self::Nats | Self::Operator => Wave::Platform,
        }
    }

    /// What becomes of it.
    pub const fn ending(self) -> Ending {
        match self {
            Self::Definitions | Self::OpenBao | Self::Zitadel => Ending::Kept,
            Self::Nats | Self::Operator => Ending::Removed,
        }
    }

    /// Its chart.
    pub const fn chart(self) -> Chart {
        match self {
            Self::Definitions => Chart::Ours("charts/fleet-crds"),
            Self::Operator => Chart::Ours("charts/fleet-operator"),
            Self::OpenBao => Chart::Upstream(Upstream {
                repository: "https://openbao.github.io/openbao-helm",
                chart: "openbao",
                version: "0.29.2",
                schema: Schema::Local,
            }),
            Self::Zitadel => Chart::Upstream(Upstream {
                repository: "https://charts.zitadel.com",
                chart: "zitadel",
                version: "9.34.0",
                schema: Schema::Remote,
            }),
            Self::Nats => Chart::Upstream(Upstream {
                repository: "https://nats-io.github.io/k8s/helm/charts/",
                chart: "nats",
                version: "2.14.2",
                schema: Schema::Local,
            }),
        }
    }
}
