//! The platform by Flux, as an example: the umbrella's chart from a registry, as one release.
//!
//! Flux needs no waves: pods wait for what they need and heal by themselves, and one release brings all of
//! them at once.

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::Serialize;

use crate::params::{ChartVersion, Registry};
use crate::platform::SYSTEM;

/// The name of release and source.
const NAME: &str = "fleet-platform";
/// What a chart's layer is called in a registry.
const CHART_LAYER: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// Where the chart comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct OciRepository {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: OciRepositorySpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Metadata {
    name: &'static str,
    namespace: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct OciRepositorySpec {
    interval: &'static str,
    url: String,
    #[serde(rename = "ref")]
    reference: Reference,
    layer_selector: LayerSelector,
}

/// One version and no range: what is installed is what was committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Reference {
    tag: ChartVersion,
}

/// A chart in a registry is one layer, taken as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct LayerSelector {
    media_type: &'static str,
    operation: &'static str,
}

/// The release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HelmRelease {
    api_version: &'static str,
    kind: &'static str,
    metadata: Metadata,
    spec: HelmReleaseSpec,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct HelmReleaseSpec {
    interval: &'static str,
    /// Longer than the default: people make some of the Secrets that pods wait for.
    timeout: &'static str,
    chart_ref: ChartRef,
    release_name: &'static str,
    install: Attempts,
    upgrade: Attempts,
    drift_detection: DriftDetection,
    values_from: Vec<ValuesFrom>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ChartRef {
    kind: &'static str,
    name: &'static str,
}

/// What is done on the way and after a failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Attempts {
    /// Zitadel's schema refers to pages of the internet.
    disable_schema_validation: bool,
    strategy: Strategy,
}

/// Tries again, with what is there. The other way takes a release that was not ready in time back, and the
/// bus with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Strategy {
    name: &'static str,
    retry_interval: &'static str,
}

/// What somebody changed in the cluster is changed back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct DriftDetection {
    mode: &'static str,
}

/// The installation's own values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct ValuesFrom {
    kind: &'static str,
    name: &'static str,
    optional: bool,
}

const fn metadata() -> Metadata {
    Metadata {
        name: NAME,
        namespace: SYSTEM,
    }
}

/// The namespace: a release cannot make its own.
pub fn namespace() -> Namespace {
    let level = ("pod-security.kubernetes.io/enforce", "restricted");
    let labels = [level].map(|(key, value)| (key.to_owned(), value.to_owned()));
    Namespace {
        metadata: ObjectMeta {
            name: Some(SYSTEM.to_owned()),
            labels: Some(labels.into()),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

/// The chart in a registry, below `charts/`.
pub fn repository(registry: &Registry, version: ChartVersion) -> OciRepository {
    OciRepository {
        api_version: "source.toolkit.fluxcd.io/v1",
        kind: "OCIRepository",
        metadata: metadata(),
        spec: OciRepositorySpec {
            interval: "10m",
            url: format!("oci://{registry}/charts/{NAME}"),
            reference: Reference { tag: version },
            layer_selector: LayerSelector {
                media_type: CHART_LAYER,
                operation: "copy",
            },
        },
    }
}

/// The release of it.
pub fn release() -> HelmRelease {
    let attempts = Attempts {
        disable_schema_validation: true,
        strategy: Strategy {
            name: "RetryOnFailure",
            retry_interval: "1m",
        },
    };
    HelmRelease {
        api_version: "helm.toolkit.fluxcd.io/v2",
        kind: "HelmRelease",
        metadata: metadata(),
        spec: HelmReleaseSpec {
            interval: "10m",
            timeout: "15m",
            chart_ref: ChartRef {
                kind: "OCIRepository",
                name: NAME,
            },
            release_name: NAME,
            install: attempts.clone(),
            upgrade: attempts,
            drift_detection: DriftDetection { mode: "enabled" },
            values_from: vec![ValuesFrom {
                kind: "ConfigMap",
                name: "fleet-platform-site",
                optional: true,
            }],
        },
    }
}
