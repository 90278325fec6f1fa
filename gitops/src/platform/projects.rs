//! What the applications may do at most.
//!
//! Whoever can make an application in Argo CD's namespace can choose its project, and with it every
//! right that Argo CD has. So the root application has a project of its own that may make applications
//! and nothing else, and that of the others may make anything but applications. What the root
//! application follows has to be guarded like the cluster's administrators.

use fleet_api::GROUP;

use super::{
    ARGOCD, Chart, Component, ENROLMENT, Mirrors, PROJECT, ROOT_PROJECT, SYSTEM, WORKLOADS,
};
use crate::argo::{AppProject, AppProjectSpec, Destination, GroupKind, IN_CLUSTER, Metadata};
use crate::params::Parameters;

const fn kind(group: &'static str, kind: &'static str) -> GroupKind {
    GroupKind { group, kind }
}

/// Kinds of no namespace that the platform brings.
pub const ALLOWED_CLUSTER_KINDS: [GroupKind; 4] = [
    // Those of the platform and of the first Deployments.
    kind("", "Namespace"),
    kind("apiextensions.k8s.io", "CustomResourceDefinition"),
    // The operator watches all namespaces; roles of people.
    kind("rbac.authorization.k8s.io", "ClusterRole"),
    kind("rbac.authorization.k8s.io", "ClusterRoleBinding"),
];

/// Kinds in namespaces that the platform brings. Secrets are not among them: they are made in the cluster,
/// and one that comes from git is a mistake.
pub const ALLOWED_KINDS: [GroupKind; 13] = [
    kind("", "ConfigMap"),
    kind("", "Service"),
    kind("", "ServiceAccount"),
    kind("apps", "Deployment"),
    kind("apps", "StatefulSet"),
    kind("batch", "Job"),
    kind("monitoring.coreos.com", "PrometheusRule"),
    kind("monitoring.coreos.com", "ServiceMonitor"),
    kind("networking.k8s.io", "NetworkPolicy"),
    kind("policy", "PodDisruptionBudget"),
    kind("rbac.authorization.k8s.io", "Role"),
    kind("rbac.authorization.k8s.io", "RoleBinding"),
    // Devices and enrolments are not among them: they come from devices, and are decided by people.
    kind(GROUP, "Deployment"),
];

/// Both projects.
pub fn projects(parameters: &Parameters) -> [AppProject; 2] {
    let root = AppProjectSpec {
        description: "The applications of fleet-platform, and nothing else".to_owned(),
        source_repos: vec![parameters.repository.to_string()],
        destinations: vec![destination(ARGOCD)],
        cluster_resource_whitelist: Vec::new(),
        namespace_resource_whitelist: vec![kind("argoproj.io", "Application")],
    };
    let platform = AppProjectSpec {
        description: "What the applications of fleet-platform install".to_owned(),
        source_repos: repositories(parameters),
        destinations: [SYSTEM, ENROLMENT, WORKLOADS].map(destination).into(),
        cluster_resource_whitelist: ALLOWED_CLUSTER_KINDS.to_vec(),
        namespace_resource_whitelist: ALLOWED_KINDS.to_vec(),
    };
    [project(ROOT_PROJECT, root), project(PROJECT, platform)]
}

fn project(name: &str, spec: AppProjectSpec) -> AppProject {
    let metadata = Metadata {
        name: name.to_owned(),
        namespace: ARGOCD.to_owned(),
        ..Metadata::default()
    };
    AppProject::new(metadata, spec)
}

/// Exactly those that the applications name.
fn repositories(parameters: &Parameters) -> Vec<String> {
    let upstream = Component::ALL.into_iter().filter_map(|c| match c.chart() {
        Chart::Upstream(upstream, _) => Some(upstream),
        Chart::Ours(_) => None,
    });
    let mirrors = Mirrors(&parameters.supply);
    let mut all = vec![parameters.repository.as_str().to_owned()];
    for upstream in upstream {
        let place = mirrors.repository(&upstream);
        if !all.contains(&place) {
            all.push(place);
        }
    }
    all
}

fn destination(namespace: &str) -> Destination {
    Destination {
        server: IN_CLUSTER,
        namespace: namespace.to_owned(),
    }
}
