//! What is asked of the platform, and whether it has come.

use std::collections::BTreeMap;

use fleet_api::{DEVICE_ID_LABEL, Deployment, DeploymentSpec, TargetSelector};
use fleet_contracts::ReconcileScore;

use crate::NAME;

/// The image. Nobody fetches it: no registry has this name (RFC 6761).
pub const IMAGE: &str = "fleet-check.invalid/nothing:1";
/// The environment variable that the change changes.
pub const VARIABLE: &str = "FLEET_CHECK";
/// Its values, before and after.
pub const VALUES: [&str; 2] = ["first", "second"];

/// One container on the device of the check, and on no other.
///
/// # Errors
/// When a score cannot be made of what stands here.
pub fn spec(value: &str) -> Result<DeploymentSpec, serde_json::Error> {
    let score: ReconcileScore = serde_json::from_value(serde_json::json!({
        "PodmanV0": {"services": [{"name": "nothing", "image": IMAGE, "env": {VARIABLE: value}}]},
    }))?;
    Ok(DeploymentSpec {
        target_selector: TargetSelector {
            match_labels: BTreeMap::from([(DEVICE_ID_LABEL.to_owned(), NAME.to_owned())]),
            ..TargetSelector::default()
        },
        target_all: false,
        score,
    })
}

/// What its status does not say yet; nothing when it is done.
pub fn lacks(deployment: &Deployment) -> Option<String> {
    let Some(status) = &deployment.status else {
        return Some("the Deployment has no status".to_owned());
    };
    if status.observed_generation != deployment.metadata.generation {
        return Some("the status of the Deployment is older than the Deployment".to_owned());
    }
    let all = &status.aggregate;
    if let Some(error) = &all.last_error {
        let (reason, message) = (&error.reason, &error.message);
        return Some(format!("the device reports {reason}: {message}"));
    }
    let (matched, succeeded) = (all.matched_device_count, all.succeeded);
    ((matched, succeeded) != (1, 1)).then(|| {
        format!("the Deployment matches {matched} devices, of which {succeeded} have succeeded")
    })
}

#[cfg(test)]
#[allow(clippy::expect_used, reason = "test code")]
mod tests {
    use fleet_api::{Aggregate, DeploymentStatus};

    use super::*;

    #[test]
    fn it_selects_one_device_and_a_change_is_a_new_revision() {
        let [before, after] = VALUES.map(|value| spec(value).expect("a score"));
        assert_ne!(before.score.revision(), after.score.revision());
        assert_eq!(before.score.validate(), Ok(()));
        let selector = before.target_selector.match_labels;
        assert_eq!(
            selector.get(DEVICE_ID_LABEL).map(String::as_str),
            Some(NAME)
        );
        assert!(!before.target_all);
    }

    #[test]
    fn it_is_done_when_the_status_of_this_generation_says_one_of_one() {
        let mut deployment = Deployment::new(NAME, spec("first").expect("a score"));
        deployment.metadata.generation = Some(2);
        assert!(lacks(&deployment).is_some());
        let status = |generation, matched, succeeded| DeploymentStatus {
            observed_generation: Some(generation),
            aggregate: Aggregate {
                matched_device_count: matched,
                succeeded,
                ..Aggregate::default()
            },
            ..DeploymentStatus::default()
        };
        for (generation, matched, succeeded, done) in [
            (1, 1, 1, false),
            (2, 0, 0, false),
            (2, 1, 0, false),
            (2, 2, 2, false),
            (2, 1, 1, true),
        ] {
            deployment.status = Some(status(generation, matched, succeeded));
            assert_eq!(lacks(&deployment).is_none(), done, "{deployment:?}");
        }
    }
}
