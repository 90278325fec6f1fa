//! The CRDs as objects and as YAML.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt as _;
use serde_json::Value;

use crate::{Deployment, Device, DeviceEnrolment};

/// Why the CRDs could not be written; a defect of this crate, never of its user.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The schema could not be turned into a CRD.
    #[error("failed to build the CRDs from the Rust types")]
    Build(#[from] serde_json::Error),
    /// The CRD could not be printed.
    #[error("failed to print the CRDs as YAML")]
    Print(#[from] serde_saphyr::ser::Error),
}

/// The CRDs, as the API server takes them.
pub fn crds() -> Result<Vec<CustomResourceDefinition>, CrdError> {
    [Deployment::crd(), Device::crd(), DeviceEnrolment::crd()]
        .into_iter()
        .map(|crd| {
            let mut value = serde_json::to_value(crd)?;
            drop_foreign_formats(&mut value);
            Ok(serde_json::from_value(value)?)
        })
        .collect()
}

/// The CRDs as a YAML stream, for `kubectl apply -f` and for review.
pub fn crds_yaml() -> Result<String, CrdError> {
    let documents = crds()?
        .iter()
        .map(|crd| {
            let mut value = serde_json::to_value(crd)?;
            // Built beside a crate that asks serde_json to keep the order of keys, they would stand
            // in another one.
            value.sort_all_objects();
            Ok(serde_saphyr::to_string(&value)?)
        })
        .collect::<Result<Vec<_>, CrdError>>()?;
    Ok(documents.join("---\n"))
}

/// Removes `format: uint16` and the like: JSON Schema's unsigned formats are not OpenAPI's, and the
/// API server warns about each. The bounds beside them say the same.
fn drop_foreign_formats(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if fields
                .get("format")
                .and_then(Value::as_str)
                .is_some_and(|f| f.starts_with("uint") || f == "ip")
            {
                fields.remove("format");
            }
            fields.values_mut().for_each(drop_foreign_formats);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_foreign_formats),
        _ => {}
    }
}
