//! The manifests hold together: what applications name is there, and may do what it has to.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod rendered;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fleet_gitops::argo::{Application, GroupKind, Wave};
use fleet_gitops::platform::{
    ALLOWED_CLUSTER_KINDS, ALLOWED_KINDS, Chart, Component, application, defaults, projects, root,
};
use fleet_gitops::{Cluster, Files, Parameters, Supply, examples};
use rendered::{Helm, Rendered};

fn applications(parameters: &Parameters) -> Vec<Application> {
    let components = Component::ALL.into_iter();
    let mut all: Vec<_> = components
        .map(|c| application(c, parameters).expect("an application"))
        .collect();
    all.push(defaults(parameters));
    all
}

/// Argo CD passes over a file of values that is not there, so a typo in a name would go unnoticed.
#[test]
fn every_file_and_folder_that_an_application_names_is_there() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for parameters in examples().expect("parameters") {
        let files = Files::of(&parameters).expect("files");
        let there: BTreeSet<_> = files
            .iter()
            .map(|(path, _)| format!("gitops/manifests/{}", path.display()))
            .collect();
        for source in applications(&parameters)
            .iter()
            .flat_map(|a| &a.spec.sources)
        {
            if let Some(path) = &source.path {
                let charts = repository.join(path).join("Chart.yaml").is_file();
                let manifests = there.iter().any(|file| file.starts_with(path.as_str()));
                assert!(charts || manifests, "{path}");
            }
            for file in source.helm.iter().flat_map(|helm| &helm.value_files) {
                let path = file.trim_start_matches("$values").trim_start_matches('/');
                let site = path.starts_with("gitops/site/");
                assert!(site || there.contains(path), "{file}");
            }
        }
        let root = root(&parameters);
        let path = root.spec.sources[0].path.clone().expect("a folder");
        let found: BTreeSet<_> = there.iter().filter(|f| f.starts_with(&path)).collect();
        assert_eq!(found.len(), applications(&parameters).len());
    }
}

#[test]
fn waves_follow_what_needs_what() {
    let order = [
        Wave::Definitions,
        Wave::Keys,
        Wave::Secrets,
        Wave::Identity,
        Wave::Platform,
        Wave::Defaults,
    ];
    assert!(order.is_sorted_by_key(|wave| wave.number()));
    let parameters = &examples().expect("parameters")[0];
    let waves: BTreeMap<_, _> = applications(parameters)
        .into_iter()
        .map(|a| {
            let wave = a.metadata.annotations[Wave::ANNOTATION].parse::<i32>();
            (a.metadata.name, wave.expect("a number"))
        })
        .collect();
    let before = |first: &str, then: &str| assert!(waves[first] < waves[then], "{first} {then}");
    for later in ["openbao", "zitadel", "nats", "fleet-operator", "fleet-auth"] {
        before("fleet-secrets", later);
    }
    before("fleet-crds", "fleet-secrets");
    before("openbao", "fleet-auth");
    before("zitadel", "fleet-auth");
    before("fleet-operator", "fleet-defaults");
}

/// A project that allows more than is needed is as good as none; one that allows less refuses a sync.
#[test]
fn projects_allow_every_source_that_is_named_and_no_other() {
    for parameters in examples().expect("parameters") {
        let [for_root, for_parts] = projects(&parameters);
        let named: BTreeSet<_> = applications(&parameters)
            .iter()
            .flat_map(|a| a.spec.sources.clone())
            .map(|source| source.repo_url)
            .collect();
        let allowed: BTreeSet<_> = for_parts.spec.source_repos.into_iter().collect();
        assert_eq!(named, allowed);
        assert_eq!(
            for_root.spec.source_repos,
            [parameters.repository.to_string()]
        );
        let mirrored = matches!(parameters.supply, Supply::Mirror(_));
        let outside = allowed.iter().any(|place| place.contains("github.io"));
        assert_eq!(mirrored, !outside, "{allowed:?}");
    }
}

/// Argo CD refuses applications that bring what their project does not allow.
#[test]
fn projects_allow_every_kind_that_our_charts_bring_and_no_other() {
    let (helm, plain) = (Helm::find(), plain());
    let mut brought = BTreeSet::new();
    for (component, folder) in charts(&helm) {
        for everything in [false, true] {
            let rendered = Rendered::of(&helm, component, &folder, &plain, everything);
            brought.extend(rendered.kinds());
        }
    }
    let pairs = |kinds: &[GroupKind]| -> BTreeSet<(String, String)> {
        let pair = |k: &GroupKind| (k.group.to_owned(), k.kind.to_owned());
        kinds.iter().map(pair).collect()
    };
    let (cluster, namespaced) = (pairs(&ALLOWED_CLUSTER_KINDS), pairs(&ALLOWED_KINDS));
    let missing: Vec<_> = brought
        .iter()
        .filter(|kind| !cluster.contains(*kind) && !namespaced.contains(*kind))
        .collect();
    assert!(missing.is_empty(), "not allowed: {missing:?}");
    assert!(cluster.is_disjoint(&namespaced));
    // Namespaces of applications, and the Deployments of people.
    let known = [("", "Namespace"), (fleet_api::GROUP, "Deployment")];
    let known = known.map(|(group, kind)| (group.to_owned(), kind.to_owned()));
    // Kinds of charts of others are known only where these are.
    if std::env::var_os(rendered::UPSTREAM).is_some() {
        let unused: Vec<_> = cluster
            .union(&namespaced)
            .filter(|kind| !brought.contains(*kind) && !known.contains(kind))
            .collect();
        assert!(unused.is_empty(), "allowed for nobody: {unused:?}");
    }
}

/// Two applications that bring the same object take it from each other at every sync.
#[test]
fn no_object_is_brought_by_two_applications() {
    let (helm, plain) = (Helm::find(), plain());
    let mut owners: BTreeMap<String, Component> = BTreeMap::new();
    for (component, folder) in charts(&helm) {
        let rendered = Rendered::of(&helm, component, &folder, &plain, false);
        for name in rendered.names() {
            if let Some(other) = owners.insert(name.clone(), component) {
                panic!("{name} is brought by {other:?} and {component:?}");
            }
        }
    }
}

/// Pods of all components pass Pod Security's "restricted", and restricted-v2 with the files for OKD.
#[test]
fn pods_are_admitted_on_either_kind_of_cluster() {
    let (helm, plain) = (Helm::find(), plain());
    for (component, folder) in charts(&helm) {
        for cluster in [Cluster::Kubernetes, Cluster::Okd] {
            let parameters = Parameters {
                cluster,
                ..plain.clone()
            };
            let rendered = Rendered::of(&helm, component, &folder, &parameters, false);
            assert_eq!(
                rendered.refused(cluster),
                Vec::<String>::new(),
                "{component:?}"
            );
        }
    }
}

/// Without the internet an image from elsewhere is a pod that never starts.
#[test]
fn with_a_mirror_every_image_comes_from_there() {
    let (helm, plain) = (Helm::find(), plain());
    let mirror = "registry.example.net:5000/all";
    let parameters = Parameters {
        supply: Supply::Mirror(mirror.parse().expect("a registry")),
        ..plain
    };
    for (component, folder) in charts(&helm) {
        let rendered = Rendered::of(&helm, component, &folder, &parameters, false);
        let images = rendered.images();
        let pods = component != Component::Definitions;
        assert_eq!(!images.is_empty(), pods, "{component:?}");
        let foreign: Vec<_> = images.iter().filter(|i| !i.starts_with(mirror)).collect();
        assert!(foreign.is_empty(), "{component:?}: {foreign:?}");
    }
}

/// On Kubernetes, with charts and images from where their makers publish them.
fn plain() -> Parameters {
    examples().expect("parameters").remove(0)
}

/// Components whose charts are here: ours, and those of others in the folder that a variable names.
fn charts(helm: &Helm) -> Vec<(Component, std::path::PathBuf)> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let found = Component::ALL.into_iter().filter_map(|component| {
        let folder = match component.chart() {
            Chart::Ours(path) => repository.join(path),
            Chart::Upstream(upstream, _) => helm.upstream()?.join(upstream.name),
        };
        Some((component, folder))
    });
    found.collect()
}
