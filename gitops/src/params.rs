//! What differs from one installation to the next; each part is parsed once.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// Why a parameter is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidParameter {
    /// Not an address of a repository.
    #[error(
        "{0:?} is not an address of a repository: it begins with https://, ssh:// or file://, or is like git@host:path"
    )]
    Repository(String),
    /// Not a revision.
    #[error("{0:?} is not a revision: a branch, a tag or a commit, without blanks")]
    Revision(String),
    /// Not one version.
    #[error("{0:?} is not one version like 1.2.3: a range would install another chart some day")]
    Version(String),
    /// Not a registry.
    #[error(
        "{0:?} is not a registry: a host with port and path, such as registry.example.com:5000/mirror"
    )]
    Registry(String),
}

macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $error:ident, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidParameter;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let rule: fn(&str) -> bool = $rule;
                if rule(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidParameter::$error(text.to_owned()))
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text!(
    /// The address of a repository, of git or of charts.
    RepoUrl,
    Repository,
    |text| {
        let schemes = ["https://", "ssh://", "file://"];
        let scheme = schemes.iter().find_map(|scheme| text.strip_prefix(scheme));
        let scp = text.split_once('@').and_then(|(_, rest)| rest.split_once(':'));
        let rest = scheme.or(scp.map(|(_, path)| path));
        rest.is_some_and(|rest| !rest.is_empty()) && is_word(text)
    }
);

text!(
    /// Which state of a repository: a branch, a tag or a commit.
    Revision,
    Revision,
    |text| !text.is_empty() && !text.starts_with('-') && !text.contains("..") && is_word(text)
);

text!(
    /// One version of a chart.
    ChartVersion,
    Version,
    |text| {
        let core = text.split(['-', '+']).next().unwrap_or_default();
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
        core.split('.').count() == 3 && core.split('.').all(is_number) && is_word(text)
    }
);

text!(
    /// A registry of images or charts, with the path below which they lie; without a scheme.
    Registry,
    Registry,
    |text| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "./:_-".contains(c);
        let host = text.split('/').next().unwrap_or_default();
        !host.is_empty() && !text.contains("://") && !text.ends_with('/') && text.chars().all(allowed)
    }
);

/// Neither blanks nor control characters, nor a length that no server takes.
fn is_word(text: &str) -> bool {
    text.len() <= 1024 && text.chars().all(|c| c.is_ascii_graphic())
}

/// What the cluster is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cluster {
    /// Kubernetes with Pod Security.
    Kubernetes,
    /// OKD or OpenShift: it assigns user ids itself and refuses pods that name their own.
    Okd,
}

/// Where charts and images of others come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Supply {
    /// From where their makers publish them.
    Upstream,
    /// From one registry that the cluster reaches; it holds images under their own paths, and charts
    /// below `charts/`.
    Mirror(Registry),
}

/// One installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// The git repository with these manifests and our charts: a fork or a mirror of this one.
    pub repository: RepoUrl,
    /// Which state of it is followed.
    pub revision: Revision,
    /// The cluster.
    pub cluster: Cluster,
    /// Charts and images of others.
    pub supply: Supply,
}

impl Parameters {
    /// The name of this set's folder, and of its root application's path.
    pub const fn overlay(&self) -> &'static str {
        match (self.cluster, &self.supply) {
            (Cluster::Kubernetes, Supply::Upstream) => "kubernetes",
            (Cluster::Okd, Supply::Upstream) => "okd",
            (Cluster::Kubernetes, Supply::Mirror(_)) => "airgap",
            (Cluster::Okd, Supply::Mirror(_)) => "okd-airgap",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_repositories() {
        for good in [
            "https://git.example.com/fleet.git",
            "ssh://git@host/x",
            "git@host:team/fleet.git",
            "file:///srv/repo.git",
        ] {
            assert!(good.parse::<RepoUrl>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "https://",
            "fleet.git",
            "http://plain.example.com/x",
            "https://a b",
        ] {
            assert!(bad.parse::<RepoUrl>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_version_is_one_version() {
        for good in ["1.2.3", "0.29.2", "1.2.3-rc.1"] {
            assert!(good.parse::<ChartVersion>().is_ok(), "{good}");
        }
        for bad in [
            "",
            "1.2",
            ">=1.2.3",
            "^1.2.3",
            "1.2.x",
            "1.2.3 || 2.0.0",
            "*",
        ] {
            assert!(bad.parse::<ChartVersion>().is_err(), "{bad}");
        }
    }

    #[test]
    fn revisions_and_registries() {
        assert!("v0.1.0".parse::<Revision>().is_ok());
        for bad in ["", "--upload-pack=x", "a..b", "a b"] {
            assert!(bad.parse::<Revision>().is_err(), "{bad}");
        }
        assert!(
            "registry.example.com:5000/mirror"
                .parse::<Registry>()
                .is_ok()
        );
        for bad in ["", "https://registry.example.com", "registry.example.com/"] {
            assert!(bad.parse::<Registry>().is_err(), "{bad}");
        }
    }
}
