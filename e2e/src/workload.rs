//! Deployments that the scenarios apply.

use std::collections::BTreeMap;

use fleet_api::{Deployment, DeploymentSpec, TargetSelector};
use fleet_contracts::ReconcileScore;
use serde_json::json;

use crate::Error;

/// The test image of a version; its page is the version's name.
pub fn image(version: &str) -> String {
    format!("localhost/fleet-demo/web:{version}")
}

/// A deployment of the test image for devices with one label.
pub fn web(
    name: &str,
    label: (&str, &str),
    version: &str,
    host_port: u16,
) -> Result<Deployment, Error> {
    let score: ReconcileScore = serde_json::from_value(json!({"PodmanV0": {"services": [{
        "name": "web",
        "image": image(version),
        "pullPolicy": "Never",
        "ports": [{"hostPort": host_port, "containerPort": 80}],
        // The page server is its container's first process and so takes no SIGTERM.
        "stopTimeoutSeconds": 0,
    }]}}))
    .map_err(|e| Error::Unexpected(format!("the demo's own score is invalid: {e}")))?;
    let spec = DeploymentSpec {
        target_selector: TargetSelector {
            match_labels: BTreeMap::from([(label.0.to_owned(), label.1.to_owned())]),
            ..TargetSelector::default()
        },
        target_all: false,
        score,
    };
    Ok(Deployment::new(name, spec))
}
