//! The applications.

use std::collections::BTreeMap;

use fleet_chartgen::platform::upstream::Upstream;

use super::{
    ARGOCD, Chart, Component, Ending, FOLDER, PROJECT, ROOT_PROJECT, SITE_FOLDER, SYSTEM, Schema,
    WORKLOADS,
};
use crate::argo::{
    Application, ApplicationSpec, Automated, Destination, Directory, Finalizer, Helm, IN_CLUSTER,
    Metadata, NamespaceMetadata, Retry, Source, SyncOption, SyncPolicy, Wave,
};
use crate::params::{Parameters, Supply};
use crate::values;

/// Where charts of others come from in an installation.
#[derive(Debug, Clone, Copy)]
pub struct Mirrors<'a>(pub &'a Supply);

impl Mirrors<'_> {
    /// The repository of an upstream chart, as Argo CD wants it: a registry without its scheme.
    pub fn repository(self, upstream: &Upstream) -> String {
        match self.0 {
            Supply::Upstream => upstream.repository.to_owned(),
            Supply::Mirror(registry) => format!("{registry}/charts"),
        }
    }
}

/// The application of a component.
///
/// # Errors
/// When values are no JSON.
pub fn application(
    component: Component,
    parameters: &Parameters,
) -> Result<Application, serde_json::Error> {
    let namespace = match component {
        // The first of all waves makes the namespace for all. All pods of the platform are within that
        // level; what is not is none of ours.
        Component::Definitions => Namespace::Made(Some("restricted")),
        _ => Namespace::There,
    };
    let finalizers = match component.ending() {
        Ending::Removed => vec![Finalizer::RemoveResources],
        Ending::Kept => Vec::new(),
    };
    let spec = ApplicationSpec {
        project: PROJECT,
        sources: sources(component, parameters)?,
        destination: destination(SYSTEM),
        sync_policy: policy(namespace),
    };
    let metadata = metadata(component.name(), finalizers);
    Ok(Application::new(metadata, Some(component.wave()), spec))
}

/// The application of the first resources of ours.
pub fn defaults(parameters: &Parameters) -> Application {
    let path = format!("{FOLDER}/defaults");
    let spec = ApplicationSpec {
        project: PROJECT,
        sources: vec![folder(parameters, path)],
        destination: destination(WORKLOADS),
        sync_policy: policy(Namespace::Made(None)),
    };
    // With its objects the containers go from all devices, and nobody deletes an application for that.
    Application::new(
        metadata("fleet-defaults", Vec::new()),
        Some(Wave::Defaults),
        spec,
    )
}

/// The application of the applications. Deleting it deletes them, each in its way.
pub fn root(parameters: &Parameters) -> Application {
    let path = format!("{FOLDER}/{}/applications", parameters.overlay());
    let spec = ApplicationSpec {
        project: ROOT_PROJECT,
        sources: vec![folder(parameters, path)],
        destination: destination(ARGOCD),
        sync_policy: policy(Namespace::There),
    };
    let finalizers = vec![Finalizer::RemoveResources];
    Application::new(metadata("fleet", finalizers), None, spec)
}

fn folder(parameters: &Parameters, path: String) -> Source {
    Source {
        directory: Some(Directory { recurse: false }),
        ..Source::folder(&parameters.repository, &parameters.revision, path)
    }
}

fn sources(
    component: Component,
    parameters: &Parameters,
) -> Result<Vec<Source>, serde_json::Error> {
    let (repository, revision) = (&parameters.repository, &parameters.revision);
    let helm = |root: &str, schema| -> Result<Helm, serde_json::Error> {
        Ok(Helm {
            release_name: component.name().to_owned(),
            value_files: value_files(component, parameters, root)?,
            ignore_missing_value_files: true,
            skip_schema_validation: schema == Schema::Remote,
        })
    };
    Ok(match component.chart() {
        // A path from the root of the repository.
        Chart::Ours(path) => vec![Source {
            helm: Some(helm("", Schema::Local)?),
            ..Source::folder(repository, revision, path)
        }],
        Chart::Upstream(upstream, schema) => {
            let place = Mirrors(&parameters.supply).repository(&upstream);
            let chart = Source {
                helm: Some(helm("$values", schema)?),
                ..Source::chart(&place, upstream.version, upstream.name)
            };
            vec![chart, Source::values(repository, revision)]
        }
    })
}

/// Ours first, the installation's own last.
fn value_files(
    component: Component,
    parameters: &Parameters,
    root: &str,
) -> Result<Vec<String>, serde_json::Error> {
    let ours = values::files(component, parameters)?.into_iter();
    let ours = ours.map(|file| format!("{root}/{FOLDER}/values/{}", file.name));
    let site = format!("{root}/{SITE_FOLDER}/{}.yaml", component.name());
    Ok(ours.chain([site]).collect())
}

/// Whether the application makes its namespace, and with which level of Pod Security.
#[derive(Clone, Copy)]
enum Namespace {
    Made(Option<&'static str>),
    There,
}

fn policy(namespace: Namespace) -> SyncPolicy {
    let mut sync_options = vec![
        SyncOption::ServerSideApply,
        SyncOption::FailOnSharedResource,
        SyncOption::PruneLast,
    ];
    let mut labels = None;
    if let Namespace::Made(level) = namespace {
        sync_options.push(SyncOption::CreateNamespace);
        labels = level.map(pod_security);
    }
    SyncPolicy {
        automated: Automated {
            prune: true,
            self_heal: true,
        },
        sync_options,
        managed_namespace_metadata: labels,
        retry: Retry::default(),
    }
}

fn pod_security(level: &'static str) -> NamespaceMetadata {
    let labels = BTreeMap::from([("pod-security.kubernetes.io/enforce", level)]);
    NamespaceMetadata { labels }
}

fn metadata(name: &str, finalizers: Vec<Finalizer>) -> Metadata {
    Metadata {
        name: name.to_owned(),
        namespace: ARGOCD.to_owned(),
        finalizers,
        ..Metadata::default()
    }
}

fn destination(namespace: &str) -> Destination {
    Destination {
        server: IN_CLUSTER,
        namespace: namespace.to_owned(),
    }
}
