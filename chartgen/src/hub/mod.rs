//! What the `Chart.yaml` of all our charts says, and what catalogues such as Artifact Hub read of it:
//! annotations, all of them made from what the charts are made of.
//!
//! There is no home page, no icon and no `signKey`, for there is no public address yet that they could
//! name; see `docs/adr/0032-what-charts-say-of-themselves.md`.

mod changelog;
mod definitions;

use std::collections::BTreeMap;

use chartgen::{ChartMeta, Maintainer, yaml_text};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;

use crate::{ChartsError, Release};

pub use changelog::{Change, ChangeKind, Changelog, ChangelogError};
pub use definitions::examples;

/// Below 1.30 the CEL rules of our definitions are not all known.
const KUBERNETES: &str = ">=1.30.0-0";
/// What our images are built for.
const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

/// What is particular to a chart.
#[derive(Debug, Clone, Default)]
pub(crate) struct About<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// What it is, in a sentence.
    pub(crate) description: &'static str,
    /// The definitions that it installs, with an operator for them.
    pub(crate) operates: &'a [CustomResourceDefinition],
    /// The definitions that it installs.
    pub(crate) defines: &'a [CustomResourceDefinition],
    /// The images of ours that it runs.
    pub(crate) own_images: Vec<String>,
    /// The images of others that it runs.
    pub(crate) other_images: &'a [&'a str],
}

/// An image, as Artifact Hub lists it.
#[derive(Debug, Serialize)]
struct ListedImage<'a> {
    name: &'a str,
    image: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    platforms: &'static [&'static str],
}

pub(crate) fn meta(release: &Release, about: &About<'_>) -> Result<ChartMeta, ChartsError> {
    Ok(ChartMeta {
        name: about.name.to_owned(),
        version: release.version.clone(),
        app_version: release.version.clone(),
        kube_version: Some(KUBERNETES.to_owned()),
        description: about.description.to_owned(),
        keywords: ["edge", "fleet", "iot", "podman", "robotics"]
            .map(str::to_owned)
            .to_vec(),
        maintainers: vec![Maintainer {
            name: "The fleet-platform authors".to_owned(),
            ..Maintainer::default()
        }],
        annotations: annotations(release, about)?,
        ..ChartMeta::default()
    })
}

fn annotations(
    release: &Release,
    about: &About<'_>,
) -> Result<BTreeMap<String, String>, ChartsError> {
    let mut all = BTreeMap::new();
    let mut say = |key: &str, value: String| {
        all.insert(format!("artifacthub.io/{key}"), value);
    };
    say("license", "Apache-2.0".to_owned());
    say("category", "integration-delivery".to_owned());
    say("prerelease", is_prerelease(&release.version).to_string());
    if !about.operates.is_empty() {
        say("operator", true.to_string());
    }
    let definitions = [about.operates, about.defines].concat();
    if !definitions.is_empty() {
        say("crds", yaml_text(&definitions::listed(&definitions))?);
        say("crdsExamples", yaml_text(&definitions::examples()?)?);
    }
    let ours = about.own_images.iter();
    let ours = ours.map(|image| listed(image, &PLATFORMS));
    let theirs = about.other_images.iter().map(|image| listed(image, &[]));
    let images: Vec<_> = ours.chain(theirs).collect();
    if !images.is_empty() {
        say("images", yaml_text(&images)?);
    }
    if let Some(changes) = &release.changes {
        let security = |change: &Change| change.kind == ChangeKind::Security;
        let security = changes.iter().any(security);
        say("changes", yaml_text(changes)?);
        say("containsSecurityUpdates", security.to_string());
    }
    Ok(all)
}

/// Versions below 1 promise nothing yet, by semantic versioning.
fn is_prerelease(version: &str) -> bool {
    version.starts_with("0.") || version.contains('-')
}

/// The name is the last part of the path.
fn listed<'a>(image: &'a str, platforms: &'static [&'static str]) -> ListedImage<'a> {
    let path = image.rsplit('/').next().unwrap_or(image);
    let name = path.split([':', '@']).next().unwrap_or(path);
    ListedImage {
        name,
        image,
        platforms,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_below_one_and_those_with_a_suffix_are_for_trying() {
        let found = ["0.9.0", "1.0.0-rc.1", "1.0.0", "10.0.1"].map(is_prerelease);
        assert_eq!(found, [true, true, false, false]);
    }

    #[test]
    fn an_image_is_called_by_the_end_of_its_path() {
        let images = ["r.example:5000/a/b:1", "b@sha256:00", "b"];
        assert!(images.iter().all(|image| listed(image, &[]).name == "b"));
    }
}
