//! The first Deployment of an installation: it shows the way, and runs nowhere until a device has its
//! label.

use std::collections::BTreeMap;

use fleet_api::{Deployment, DeploymentSpec, TargetSelector};
use fleet_contracts::ReconcileScore;
use serde_json::json;

/// The label of devices that run it.
pub const LABEL: (&str, &str) = ("demo", "hello");

/// The Deployment.
///
/// # Errors
/// When its score is none, which is a defect of this crate.
pub fn hello() -> Result<Deployment, serde_json::Error> {
    let score: ReconcileScore = serde_json::from_value(json!({"PodmanV0": {"services": [{
        "name": "web",
        "image": "docker.io/library/nginx:1.29-alpine",
        "ports": [{"hostPort": 8080, "containerPort": 80}],
    }]}}))?;
    let spec = DeploymentSpec {
        target_selector: TargetSelector {
            match_labels: BTreeMap::from([(LABEL.0.to_owned(), LABEL.1.to_owned())]),
            ..TargetSelector::default()
        },
        target_all: false,
        score,
    };
    Ok(Deployment::new("hello", spec))
}
