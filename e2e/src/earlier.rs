//! A release before this one, for upgrades: there is none yet, so it is made.

use fleet_chartgen::Release;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition,
};
use kube::api::{Api, ListParams};

use crate::Error;

/// The column that distinguishes its definitions.
const COLUMN: &str = "Earlier";

/// A release whose definitions differ from the current ones, so that an upgrade changes them.
///
/// # Errors
/// When the definitions cannot be built.
pub fn release() -> Result<Release, Error> {
    let mut release = Release::current()?;
    "0.0.9".clone_into(&mut release.version);
    for crd in &mut release.crds {
        for version in &mut crd.spec.versions {
            version.additional_printer_columns = Some(vec![CustomResourceColumnDefinition {
                name: COLUMN.to_owned(),
                type_: "string".to_owned(),
                json_path: ".metadata.name".to_owned(),
                ..CustomResourceColumnDefinition::default()
            }]);
        }
    }
    Ok(release)
}

/// Whether a cluster has definitions of that release.
///
/// # Errors
/// When the cluster does not list its definitions.
pub async fn is_there(client: &kube::Client) -> Result<bool, Error> {
    let crds: Api<CustomResourceDefinition> = Api::all(client.clone());
    let crds = crds.list(&ListParams::default()).await;
    let crds = crds.map_err(Error::kube("list the definitions"))?.items;
    let ours = crds
        .into_iter()
        .filter(|crd| crd.spec.group == fleet_api::GROUP);
    let columns = ours
        .flat_map(|crd| crd.spec.versions)
        .flat_map(|v| v.additional_printer_columns.unwrap_or_default());
    Ok(columns.into_iter().any(|column| column.name == COLUMN))
}
