//! The platform as components: which chart, from where, in which wave, and what becomes of it.

mod applications;
mod projects;

pub use applications::{Mirrors, application, defaults, root};
pub use projects::{ALLOWED_CLUSTER_KINDS, ALLOWED_KINDS, projects};

use fleet_chartgen::platform::upstream::{self, Upstream};

use crate::argo::Wave;

/// The namespace of Argo CD.
pub const ARGOCD: &str = "argocd";
/// The namespace of the platform.
pub const SYSTEM: &str = "fleet-system";
/// The namespace of enrolment tokens, which the chart `fleet-auth` makes.
pub const ENROLMENT: &str = "fleet-enrolment";
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
    /// The job that makes keys and certificates as Secrets, of the chart `fleet-auth`.
    Keys,
    /// Where policies of devices are kept.
    OpenBao,
    /// The identity provider.
    Zitadel,
    /// The bus.
    Nats,
    /// The operator.
    Operator,
    /// Who may use the bus, and how devices join: the rest of the chart `fleet-auth`.
    Auth,
}

/// Where a chart comes from.
#[derive(Debug, Clone, Copy)]
pub enum Chart {
    /// A folder of this repository.
    Ours(&'static str),
    /// A chart of others, in exactly the version that the umbrella has.
    Upstream(Upstream, Schema),
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
    pub const ALL: [Self; 7] = [
        Self::Definitions,
        Self::Keys,
        Self::OpenBao,
        Self::Zitadel,
        Self::Nats,
        Self::Operator,
        Self::Auth,
    ];

    /// The name of application and release.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Definitions => "fleet-crds",
            Self::Keys => "fleet-secrets",
            Self::OpenBao => "openbao",
            Self::Zitadel => "zitadel",
            Self::Nats => "nats",
            Self::Operator => "fleet-operator",
            Self::Auth => "fleet-auth",
        }
    }

    /// Its key among the values of `charts/fleet-platform`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Definitions => "crds",
            Self::Keys | Self::Auth => "auth",
            Self::OpenBao => "openbao",
            Self::Zitadel => "zitadel",
            Self::Nats => "nats",
            Self::Operator => "operator",
        }
    }

    /// Whether its chart knows the settings that parts of an umbrella share.
    pub const fn reads_global(self) -> bool {
        matches!(self, Self::Keys | Self::Operator | Self::Auth)
    }

    /// When it is synced. Keys come before everything whose pods wait for them: an application that waits
    /// is not healthy, and the next wave would not begin.
    pub const fn wave(self) -> Wave {
        match self {
            Self::Definitions => Wave::Definitions,
            Self::Keys => Wave::Keys,
            Self::OpenBao => Wave::Secrets,
            Self::Zitadel => Wave::Identity,
            Self::Nats | Self::Operator | Self::Auth => Wave::Platform,
        }
    }

    /// What becomes of it.
    pub const fn ending(self) -> Ending {
        match self {
            Self::Definitions | Self::OpenBao | Self::Zitadel => Ending::Kept,
            Self::Keys | Self::Nats | Self::Operator | Self::Auth => Ending::Removed,
        }
    }

    /// Its chart.
    pub const fn chart(self) -> Chart {
        match self {
            Self::Definitions => Chart::Ours("charts/fleet-crds"),
            Self::Operator => Chart::Ours("charts/fleet-operator"),
            Self::Keys | Self::Auth => Chart::Ours("charts/fleet-auth"),
            Self::OpenBao => Chart::Upstream(upstream::OPENBAO, Schema::Local),
            Self::Zitadel => Chart::Upstream(upstream::ZITADEL, Schema::Remote),
            Self::Nats => Chart::Upstream(upstream::NATS, Schema::Local),
        }
    }
}
