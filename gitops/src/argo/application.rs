//! `Application`: what is brought from where to where.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{API_VERSION, CompareOption, Finalizer, SyncOption, Wave};
use crate::params::{RepoUrl, Revision};

/// What is brought from where to where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Application {
    api_version: &'static str,
    kind: &'static str,
    /// Name, namespace, wave.
    pub metadata: Metadata,
    /// The rest.
    pub spec: ApplicationSpec,
}

impl Application {
    /// An application, compared as the server would.
    pub fn new(mut metadata: Metadata, wave: Option<Wave>, spec: ApplicationSpec) -> Self {
        let compare = CompareOption::ServerSideDiff.as_str().to_owned();
        let annotations = &mut metadata.annotations;
        annotations.insert(CompareOption::ANNOTATION.to_owned(), compare);
        if let Some(wave) = wave {
            annotations.insert(Wave::ANNOTATION.to_owned(), wave.number().to_string());
        }
        Self {
            api_version: API_VERSION,
            kind: "Application",
            metadata,
            spec,
        }
    }
}

/// Of an object's metadata, what we set.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// The name.
    pub name: String,
    /// The namespace.
    pub namespace: String,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What is done before it goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<Finalizer>,
}

/// What an application is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ApplicationSpec {
    /// The project whose bounds hold.
    pub project: &'static str,
    /// Where manifests come from; of several, the last one wins.
    pub sources: Vec<Source>,
    /// Where objects go.
    pub destination: Destination,
    /// How.
    pub sync_policy: SyncPolicy,
}

/// Where manifests come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    /// The repository.
    #[serde(rename = "repoURL")]
    pub repo_url: String,
    /// Branch, tag or commit of git, or a chart's version.
    pub target_revision: String,
    /// The folder, of git.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// The chart, of a repository of charts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// Under which name other sources take files of this one, which then brings no objects itself.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<&'static str>,
    /// For charts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<Helm>,
    /// For folders of manifests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<Directory>,
}

impl Source {
    /// A folder of a git repository.
    pub fn folder(repository: &RepoUrl, revision: &Revision, path: impl Into<String>) -> Self {
        Self {
            path: Some(path.into()),
            ..Self::bare(repository.as_str(), revision.as_str())
        }
    }

    /// Files of a git repository for the values of other sources, which name it `$values`.
    pub fn values(repository: &RepoUrl, revision: &Revision) -> Self {
        Self {
            reference: Some("values"),
            ..Self::bare(repository.as_str(), revision.as_str())
        }
    }

    /// A chart of a repository of charts.
    pub fn chart(repository: &str, version: &str, chart: &str) -> Self {
        Self {
            chart: Some(chart.to_owned()),
            ..Self::bare(repository, version)
        }
    }

    fn bare(repo_url: &str, target_revision: &str) -> Self {
        Self {
            repo_url: repo_url.to_owned(),
            target_revision: target_revision.to_owned(),
            path: None,
            chart: None,
            reference: None,
            helm: None,
            directory: None,
        }
    }
}

/// How a folder of manifests is read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Directory {
    /// Whether folders below it count. Said aloud, because objects that are not found are pruned.
    pub recurse: bool,
}

/// How a chart is rendered.
///
/// Values come from files only. In `valuesObject` Argo CD drops every null, and with it what takes an
/// upstream default away; and a file of the installation's own may follow ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Helm {
    /// The name of the release: part of names and labels, so it must not follow the application's.
    pub release_name: String,
    /// Values; what comes later goes before what comes earlier.
    pub value_files: Vec<String>,
    /// The installation's own file need not be there.
    pub ignore_missing_value_files: bool,
    /// Charts whose schema refers to the internet cannot be rendered without it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub skip_schema_validation: bool,
}

/// Where objects go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Destination {
    /// The API server.
    pub server: &'static str,
    /// The namespace of objects that name none.
    pub namespace: String,
}

/// How objects are brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SyncPolicy {
    /// Without a person.
    pub automated: Automated,
    /// Options.
    pub sync_options: Vec<SyncOption>,
    /// The namespace's labels, where the application makes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_namespace_metadata: Option<NamespaceMetadata>,
    /// What follows a sync that failed.
    pub retry: Retry,
}

/// What is done without a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Automated {
    /// What is gone from git goes.
    pub prune: bool,
    /// What somebody changed in the cluster is changed back.
    pub self_heal: bool,
}

/// Of a namespace's metadata, what we set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NamespaceMetadata {
    /// Labels.
    pub labels: BTreeMap<&'static str, &'static str>,
}

/// How often a failed sync is tried again, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Retry {
    /// How often. Few: while it goes on, deleting the parent waits for it.
    pub limit: u32,
    /// When.
    pub backoff: Backoff,
    /// With what git says then. Without it the commit that mends a sync waits until all attempts at the one
    /// before are over.
    pub refresh: bool,
}

/// The time between attempts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Backoff {
    /// The first.
    pub duration: &'static str,
    /// By how much it grows.
    pub factor: u32,
    /// The longest.
    pub max_duration: &'static str,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            limit: 5,
            backoff: Backoff {
                duration: "5s",
                factor: 2,
                max_duration: "1m",
            },
            refresh: true,
        }
    }
}
