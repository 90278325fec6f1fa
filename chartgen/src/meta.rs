//! What the `Chart.yaml` of all our charts says.

use std::collections::BTreeMap;

use chartgen::{ChartMeta, Maintainer};

use crate::Release;

/// Below 1.30 the CEL rules of our definitions are not all known.
const KUBERNETES: &str = ">=1.30.0-0";

pub(crate) fn meta(name: &str, description: &str, release: &Release) -> ChartMeta {
    let annotation = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    ChartMeta {
        name: name.to_owned(),
        version: release.version.clone(),
        app_version: release.version.clone(),
        kube_version: Some(KUBERNETES.to_owned()),
        description: description.to_owned(),
        keywords: ["edge", "fleet", "iot", "podman", "robotics"]
            .map(str::to_owned)
            .to_vec(),
        maintainers: vec![Maintainer {
            name: "The fleet-platform authors".to_owned(),
            ..Maintainer::default()
        }],
        annotations: BTreeMap::from([
            annotation("artifacthub.io/license", "Apache-2.0"),
            annotation("artifacthub.io/category", "integration-delivery"),
            annotation("artifacthub.io/operator", "true"),
            annotation("artifacthub.io/prerelease", "true"),
        ]),
        ..ChartMeta::default()
    }
}
