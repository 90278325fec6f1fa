//! The custom resource definitions: a chart of their own, and the templates that the operator's
//! chart shares with it.

use chartgen::common::Annotations;
use chartgen::{Chart, Document, RenderedChart, ValueRef, helpers, v};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use schemars::JsonSchema;
use serde::Serialize;

use crate::hub::{self, About};
use crate::{ChartsError, Release};

/// What Argo CD must not do with a definition. Helm's `keep` alone does not stop it: it honours that
/// on deletion of an application but not when it prunes.
const ARGO_OPTIONS: &str = "Prune=false,Delete=false,ServerSideApply=true";

/// The definitions.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CrdValues {
    /// Install and upgrade the definitions with this chart.
    pub enabled: bool,
    /// Keep them, and with them every Deployment and Device, when the chart is uninstalled. It must
    /// have been on for one release before it helps.
    pub keep: bool,
    /// Further annotations of the definitions.
    pub annotations: Annotations,
}

impl Default for CrdValues {
    fn default() -> Self {
        Self {
            enabled: true,
            keep: true,
            annotations: Annotations::default(),
        }
    }
}

/// The values of the chart `fleet-crds`.
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Values {
    /// Labels for every object.
    pub common_labels: chartgen::common::Labels,
    /// The definitions.
    pub crds: CrdValues,
}

/// Where a chart keeps the values of the definitions.
pub(crate) struct Places<V> {
    pub(crate) enabled: ValueRef<V>,
    pub(crate) keep: ValueRef<V>,
    pub(crate) annotations: ValueRef<V>,
}

/// One template for each definition: its name and the document.
pub(crate) fn templates<V>(
    crds: &[CustomResourceDefinition],
    places: &Places<V>,
) -> Vec<(String, Document)> {
    crds.iter()
        .map(|crd| {
            let name = crd.metadata.name.clone().unwrap_or_default();
            (format!("crds/{name}.yaml"), document(crd, places))
        })
        .collect()
}

fn document<V>(crd: &CustomResourceDefinition, places: &Places<V>) -> Document {
    let mut crd = crd.clone();
    let annotations = crd.metadata.annotations.get_or_insert_default();
    annotations.insert(
        "argocd.argoproj.io/sync-options".into(),
        ARGO_OPTIONS.into(),
    );
    annotations.insert("helm.sh/resource-policy".into(), "keep".into());
    crd.metadata.labels.get_or_insert_default();
    Document::new(&crd)
        .splice("/metadata/labels", helpers::labels())
        .when(
            "/metadata/annotations/helm.sh~1resource-policy",
            places.keep.clone(),
        )
        .splice("/metadata/annotations", places.annotations.clone())
        .document_when(places.enabled.clone())
}

/// The chart `fleet-crds`.
pub(crate) fn chart(release: &Release) -> Result<RenderedChart, ChartsError> {
    let places = Places {
        enabled: v!(Values, crds.enabled),
        keep: v!(Values, crds.keep),
        annotations: v!(Values, crds.annotations),
    };
    let about = About {
        name: "fleet-crds",
        description: "The custom resource definitions of fleet-platform: Deployment, Device and \
                      DeviceEnrolment.",
        defines: &release.crds,
        ..About::default()
    };
    let chart = Chart::<Values>::new(hub::meta(release, &about)?)
        .as_subchart()
        .readme(include_str!("README.md.j2"));
    let chart = templates(&release.crds, &places)
        .into_iter()
        .fold(chart, |chart, (name, document)| {
            chart.template(name, document)
        });
    Ok(chart.build()?)
}
