//! Custom resources, for catalogues.

use fleet_api::Deployment;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde::Serialize;
use serde_json::json;

/// A definition, as Artifact Hub lists it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listed {
    kind: String,
    version: String,
    name: String,
    display_name: String,
    description: String,
}

pub(super) fn listed(definitions: &[CustomResourceDefinition]) -> Vec<Listed> {
    let one = |definition: &CustomResourceDefinition| {
        let spec = &definition.spec;
        let version = spec.versions.iter().find(|version| version.storage);
        let schema = version.and_then(|version| version.schema.as_ref());
        let schema = schema.and_then(|schema| schema.open_api_v3_schema.as_ref());
        let kind = spec.names.kind.clone();
        Listed {
            version: version
                .map(|version| version.name.clone())
                .unwrap_or_default(),
            name: format!("{}.{}", spec.names.plural, spec.group),
            display_name: kind.clone(),
            kind,
            description: schema
                .and_then(|s| s.description.clone())
                .unwrap_or_default(),
        }
    };
    definitions.iter().map(one).collect()
}

/// What people write: a Deployment. The operator makes Devices and the enrolment service enrolments, so
/// there are no examples of those.
///
/// # Errors
/// When it is not what the types of the API say.
pub fn examples() -> Result<[Deployment; 1], serde_json::Error> {
    let deployment = json!({
        "apiVersion": "fleet.nationtech.io/v1alpha1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "targetSelector": {"matchLabels": {"site": "lyon"}},
            "score": {"PodmanV0": {"services": [{
                "name": "web",
                "image": "docker.io/library/nginx:1.29",
                "ports": [{"hostPort": 8080, "containerPort": 80}],
                "healthcheck": {"http": {"port": 80, "path": "/"}},
            }]}},
        },
    });
    Ok([serde_json::from_value(deployment)?])
}
