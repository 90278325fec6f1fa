//! What `--wait` makes of a Deployment's status: wait on, done, or failed.

use fleet_api::condition::ConditionType;
use fleet_api::{Aggregate, Deployment};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

/// What to make of a status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not all devices are there yet.
    Waiting,
    /// All matched devices run it.
    Ready,
    /// It will not get there by itself; why.
    Failed(String),
}

/// A condition of an object.
pub fn condition(conditions: &[Condition], wanted: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|c| c.type_ == wanted.as_str())
}

/// Judges a Deployment of at least `generation`; an older status is about another spec.
pub fn judge(deployment: &Deployment, generation: i64) -> Verdict {
    let Some(status) = &deployment.status else {
        return Verdict::Waiting;
    };
    if status.observed_generation.unwrap_or(0) < generation {
        return Verdict::Waiting;
    }
    let is_true = |wanted| condition(&status.conditions, wanted).filter(|c| c.status == "True");
    if is_true(ConditionType::Ready).is_some() {
        return Verdict::Ready;
    }
    match is_true(ConditionType::Stalled) {
        Some(stalled) => Verdict::Failed(failure(
            &status.aggregate,
            &stalled.reason,
            &stalled.message,
        )),
        None => Verdict::Waiting,
    }
}

/// Names device and reason where there is one, else the condition's reason.
fn failure(aggregate: &Aggregate, reason: &str, message: &str) -> String {
    match last_error(aggregate) {
        Some(error) => format!("{reason}: {error}"),
        None if message.is_empty() => reason.to_owned(),
        None => format!("{reason}: {message}"),
    }
}

/// `device pi-7: ImageNotFound: no such tag`.
pub fn last_error(aggregate: &Aggregate) -> Option<String> {
    let error = aggregate.last_error.as_ref()?;
    let colon = if error.message.is_empty() { "" } else { ": " };
    Some(format!(
        "device {}: {}{colon}{}",
        error.device, error.reason, error.message
    ))
}

/// The counts on one line.
pub fn counts(deployment: &Deployment, generation: i64) -> String {
    let status = deployment.status.as_ref();
    let seen = status.and_then(|s| s.observed_generation).unwrap_or(0) >= generation;
    let Some(status) = status.filter(|_| seen) else {
        return "waiting for the operator to take it up".to_owned();
    };
    let a = &status.aggregate;
    if a.matched_device_count == 0 {
        return "no device matches the selector yet".to_owned();
    }
    format!(
        "{}/{} succeeded, {} pending, {} failed, {} unreachable",
        a.succeeded, a.matched_device_count, a.pending, a.failed, a.unreachable
    )
}

/// A bar of `width` characters: `#` succeeded, `!` failed, `.` pending.
pub fn bar(aggregate: &Aggregate, width: u32) -> String {
    let total = aggregate.matched_device_count.max(0);
    // Rounded down, so that the bar is full only when all devices are there.
    let share = |n: i64| {
        let part = n
            .max(0)
            .saturating_mul(width.into())
            .checked_div(total)
            .unwrap_or(0);
        usize::try_from(part).unwrap_or(0)
    };
    let (done, failed) = (share(aggregate.succeeded), share(aggregate.failed));
    let failed = if aggregate.failed > 0 {
        failed.max(1)
    } else {
        0
    };
    let width = usize::try_from(width).unwrap_or(0);
    let failed = failed.min(width.saturating_sub(done));
    let rest = width.saturating_sub(done + failed);
    format!(
        "[{}{}{}]",
        "#".repeat(done),
        "!".repeat(failed),
        ".".repeat(rest)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;
    use serde_json::{Value, json};

    fn deployment(status: &Value) -> Deployment {
        serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web", "generation": 2},
            "spec": {"targetAll": true, "score": {"PodmanV0": {"services": []}}},
            "status": status,
        }))
        .expect("deployment")
    }

    fn with(kind: &str, reason: &str, observed: i64, aggregate: &Value) -> Deployment {
        deployment(
            &json!({"observedGeneration": observed, "aggregate": aggregate, "conditions": [
            {"type": kind, "status": "True", "reason": reason, "message": "m",
             "lastTransitionTime": "2026-01-01T00:00:00Z"}]}),
        )
    }

    #[rstest]
    #[case(with("Ready", "AllSucceeded", 2, &json!({})), Verdict::Ready)]
    #[case(with("Ready", "AllSucceeded", 1, &json!({})), Verdict::Waiting)]
    #[case(with("Progressing", "DevicesPending", 2, &json!({})), Verdict::Waiting)]
    #[case(with("Stalled", "InvalidScore", 2, &json!({})), Verdict::Failed("InvalidScore: m".into()))]
    #[case(deployment(&json!({})), Verdict::Waiting)]
    fn only_the_status_of_this_generation_counts(
        #[case] deployment: Deployment,
        #[case] expected: Verdict,
    ) {
        assert_eq!(judge(&deployment, 2), expected);
    }

    #[test]
    fn a_failure_names_device_and_reason() {
        let aggregate = json!({"matchedDeviceCount": 1, "failed": 1, "lastError": {
            "device": "pi-7", "reason": "ImageNotFound", "message": "no such tag",
            "at": "2026-01-01T00:00:00Z"}});
        let stalled = with("Stalled", "DevicesFailed", 2, &aggregate);
        assert_eq!(
            judge(&stalled, 2),
            Verdict::Failed("DevicesFailed: device pi-7: ImageNotFound: no such tag".into())
        );
    }

    proptest! {
        #[test]
        fn the_bar_keeps_its_width_and_is_full_only_at_the_end(
            succeeded in 0..2000i64, failed in 0..2000i64, pending in 0..2000i64, width in 1..60u32
        ) {
            let total = succeeded + failed + pending;
            let aggregate = Aggregate {
                matched_device_count: total, succeeded, failed, pending, ..Default::default()
            };
            let bar = bar(&aggregate, width);
            prop_assert_eq!(bar.len(), width as usize + 2);
            let full = bar == format!("[{}]", "#".repeat(width as usize));
            prop_assert_eq!(full, total > 0 && succeeded == total);
        }
    }
}
