//! What there is: tools, the Go modules they come from, and the profiles that need them.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// A third-party program that tests and demo run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// The store below the Kubernetes API server.
    Etcd,
    /// The Kubernetes API server.
    KubeApiserver,
    /// Garbage collection, namespaces, service accounts.
    KubeControllerManager,
    /// The Kubernetes command line.
    Kubectl,
    /// The message bus.
    NatsServer,
}

/// A set of tools that one kind of environment needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Control plane and bus, without a node: what the walking demo and most tests need.
    Walking,
}

/// A pinned Go module that one or more tools are built from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Module {
    /// `go.etcd.io/etcd/server/v3`
    Etcd,
    /// `k8s.io/kubernetes`
    Kubernetes,
    /// `github.com/nats-io/nats-server/v2`
    Nats,
}

impl Tool {
    /// Every tool, in the order in which they are listed.
    pub const ALL: [Self; 5] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::NatsServer,
    ];

    /// The file name of the program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::NatsServer => "nats-server",
        }
    }

    /// The module that this tool is built from.
    pub fn module(self) -> Module {
        match self {
            Self::Etcd => Module::Etcd,
            Self::KubeApiserver | Self::KubeControllerManager | Self::Kubectl => Module::Kubernetes,
            Self::NatsServer => Module::Nats,
        }
    }

    /// The pinned version, without a leading `v`.
    pub fn version(self) -> &'static str {
        self.module().version()
    }

    /// The Go package that holds the program's `main`.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::NatsServer => "github.com/nats-io/nats-server/v2",
        }
    }

    /// Arguments that make the program print its version and exit.
    pub(crate) fn version_args(self) -> &'static [&'static str] {
        match self {
            Self::Kubectl => &["version", "--client"],
            _ => &["--version"],
        }
    }

    /// The cache folder's name: tool, version, and the hash of all that decides the binary.
    pub(crate) fn cache_key(self) -> String {
        format!(
            "{}-{}-{}",
            self.name(),
            self.version(),
            self.module().digest()
        )
    }
}

impl Module {
    pub(crate) fn version(self) -> &'static str {
        match self {
            Self::Etcd => "3.7.3",
            Self::Kubernetes => "1.36.3",
            Self::Nats => "2.15.1",
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::Kubernetes => "kubernetes",
            Self::Nats => "nats",
        }
    }

    pub(crate) fn go_mod(self) -> &'static str {
        match self {
            Self::Etcd => include_str!("../deps/etcd/go.mod"),
            Self::Kubernetes => include_str!("../deps/kubernetes/go.mod"),
            Self::Nats => include_str!("../deps/nats/go.mod"),
        }
    }

    pub(crate) fn go_sum(self) -> &'static str {
        match self {
            Self::Etcd => include_str!("../deps/etcd/go.sum"),
            Self::Kubernetes => include_str!("../deps/kubernetes/go.sum"),
            Self::Nats => include_str!("../deps/nats/go.sum"),
        }
    }

    /// Linker flags. Symbols are stripped everywhere: nobody debugs these, and it halves the cache.
    pub(crate) fn ldflags(self) -> &'static str {
        match self {
            Self::Etcd | Self::Nats => "-s -w",
            // Without these the server reports "v0.0.0-master", and kubectl and helm refuse it.
            Self::Kubernetes => concat!(
                "-s -w",
                " -X k8s.io/component-base/version.gitVersion=v1.36.3",
                " -X k8s.io/component-base/version.gitMajor=1",
                " -X k8s.io/component-base/version.gitMinor=36",
                " -X k8s.io/client-go/pkg/version.gitVersion=v1.36.3",
            ),
        }
    }

    /// A short hash over `go.mod`, `go.sum` and the flags.
    pub(crate) fn digest(self) -> String {
        let mut hash = Sha256::new();
        for part in [
            self.go_mod(),
            self.go_sum(),
            self.ldflags(),
            "CGO_ENABLED=0 -trimpath",
        ] {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let hash = format!("{:x}", hash.finalize());
        hash.chars().take(12).collect()
    }
}

impl Profile {
    /// The tools of this profile.
    pub fn tools(self) -> &'static [Tool] {
        match self {
            Self::Walking => &Tool::ALL,
        }
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tool {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|tool| tool.name() == name)
            .ok_or_else(|| format!("no tool is called {name:?}; `fleet-tools list` shows all"))
    }
}

impl FromStr for Profile {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "walking" => Ok(Self::Walking),
            _ => Err(format!("no profile is called {name:?}; there is: walking")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pin_names_the_version_it_claims() {
        for module in [Module::Etcd, Module::Kubernetes, Module::Nats] {
            let pin = format!(" v{}\n", module.version());
            assert!(
                module.go_mod().contains(&pin),
                "{module:?} does not require{pin}"
            );
        }
        let version = format!("gitVersion=v{} ", Module::Kubernetes.version());
        assert!(Module::Kubernetes.ldflags().contains(&version));
    }

    #[test]
    fn names_parse_back() {
        for tool in Tool::ALL {
            assert_eq!(tool.name().parse(), Ok(tool));
        }
        assert!(
            "etcdctl"
                .parse::<Tool>()
                .unwrap_err()
                .contains("fleet-tools list")
        );
    }

    #[test]
    fn cache_keys_differ_per_tool_and_carry_the_hash() {
        let keys: std::collections::BTreeSet<_> = Tool::ALL.map(Tool::cache_key).into();
        assert_eq!(keys.len(), Tool::ALL.len());
        assert!(Tool::Etcd.cache_key().starts_with("etcd-3.7.3-"));
    }
}
