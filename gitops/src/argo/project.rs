//! `AppProject`: what applications may do at most.

use serde::Serialize;

use super::{API_VERSION, Destination, Metadata};

/// What applications may do at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppProject {
    api_version: &'static str,
    kind: &'static str,
    /// Name and namespace.
    pub metadata: Metadata,
    /// The bounds.
    pub spec: AppProjectSpec,
}

impl AppProject {
    /// A project with these bounds.
    pub fn new(metadata: Metadata, spec: AppProjectSpec) -> Self {
        Self {
            api_version: API_VERSION,
            kind: "AppProject",
            metadata,
            spec,
        }
    }
}

/// The bounds. All lists are lists of what is allowed: what nobody thought of is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppProjectSpec {
    /// For people.
    pub description: String,
    /// Where manifests may come from.
    pub source_repos: Vec<String>,
    /// Where objects may go.
    pub destinations: Vec<Destination>,
    /// Which kinds that belong to no namespace. Serialised although empty: absent means the same, but
    /// reads as if nobody had thought of it.
    pub cluster_resource_whitelist: Vec<GroupKind>,
    /// Which kinds in namespaces. Never empty: that would allow all.
    pub namespace_resource_whitelist: Vec<GroupKind>,
}

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct GroupKind {
    /// The API group; empty for the first one.
    pub group: &'static str,
    /// The kind.
    pub kind: &'static str,
}
