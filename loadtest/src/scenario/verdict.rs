//! What has to hold in the end of every scenario.

use std::time::Duration;

use super::Scene;
use crate::Error;
use crate::platform::Platform;

/// Has all statuses become what the recount says; gives how long that took, or nothing if they did not.
pub(super) async fn settled(
    scene: &Scene,
    platform: &Platform,
    limit: Duration,
    what: &str,
) -> Result<Option<Duration>, Error> {
    let settled = platform.settled(&scene.fleet, &scene.truth, limit, &scene.progress);
    match settled.await? {
        Ok(took) => {
            let found = format!("after {:.1} s", took.as_secs_f64());
            scene.record.check(what, true, found);
            Ok(Some(took))
        }
        Err(wrong) => {
            let found = format!("{} are wrong, such as {:?}", wrong.len(), wrong[0]);
            scene.record.check(what, false, found);
            Ok(None)
        }
    }
}

/// The operator finds nothing wrong with itself or with what devices say.
pub(super) async fn operator_is_sound(scene: &Scene, platform: &Platform) {
    for (metric, what) in [
        (
            "fleet_invariant_violations",
            "counts add up in the operator",
        ),
        (
            "fleet_rejected_payloads_total",
            "the operator refuses no report",
        ),
    ] {
        let value = platform.metric(metric).await;
        let found = format!("{metric}: {value:?}");
        scene.record.check(what, value == Some(0.0), found);
    }
}

/// What a busy machine may not hold has a check of its own.
const LATE: &str = "status late";

/// Nothing went wrong on the way.
pub(super) fn no_errors(scene: &Scene) {
    no_errors_but(scene, &[]);
}

/// The same, but for what is part of the scenario.
pub(super) fn no_errors_but(scene: &Scene, expected: &[&str]) {
    let mut errors = scene.record.notes().errors.clone();
    errors.retain(|reason, _| reason != LATE && !expected.contains(&reason.as_str()));
    let found = format!("{errors:?}");
    scene.record.check("no errors", errors.is_empty(), found);
}
