//! Findings as the API server keeps them.

use std::time::Duration;

use fleet_api::condition::ConditionType;
use fleet_api::{DeploymentStatus, LastError};
use fleet_contracts::UnixMillis;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::jiff::Timestamp;

use super::{Finding, deployment_conditions};
use crate::index::{LastFailure, View};

/// The status of a Deployment.
pub fn deployment_status(
    view: &View,
    before: &DeploymentStatus,
    now: UnixMillis,
) -> DeploymentStatus {
    let generation = Some(view.generation);
    let findings = deployment_conditions(view);
    let mut aggregate = view.tally.aggregate();
    aggregate.last_error = view.last_failure.as_ref().map(last_error);
    DeploymentStatus {
        observed_generation: generation,
        aggregate,
        conditions: conditions(&findings, &before.conditions, generation, now),
    }
}

fn last_error(failure: &LastFailure) -> LastError {
    LastError {
        device: failure.device.to_string(),
        reason: failure.reason.as_str().to_owned(),
        message: failure.message.clone(),
        at: time(failure.at),
    }
}

/// Conditions for these findings; the time of one that keeps its status is kept, too.
pub fn conditions(
    findings: &[Finding],
    before: &[Condition],
    generation: Option<i64>,
    now: UnixMillis,
) -> Vec<Condition> {
    findings
        .iter()
        .map(|finding| {
            let kind = finding.kind.as_str();
            let status = finding.truth.as_str();
            let since = before
                .iter()
                .find(|old| old.type_ == kind && old.status == status)
                .map_or_else(|| time(now), |old| old.last_transition_time.clone());
            Condition {
                type_: kind.to_owned(),
                status: status.to_owned(),
                reason: finding.reason.as_str().to_owned(),
                message: finding.message.clone(),
                observed_generation: generation,
                last_transition_time: since,
            }
        })
        .collect()
}

/// A time as Kubernetes keeps it: whole seconds.
pub fn time(at: UnixMillis) -> Time {
    let seconds = i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX);
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

/// The condition Ready.
pub fn ready(conditions: &[Condition]) -> Option<&Condition> {
    let ready = ConditionType::Ready.as_str();
    conditions.iter().find(|c| c.type_ == ready)
}

/// For how long a Deployment was not ready which is now. One that is being read for the first time
/// tells nothing: it may have been ready before somebody lost its status.
pub fn unready(before: Option<&Condition>, now: Option<&Condition>) -> Option<Duration> {
    let (before, now) = (before?, now?);
    let became = before.status != "True" && now.status == "True";
    let since = |c: &Condition| c.last_transition_time.0;
    let took = since(now).duration_since(since(before));
    // Another replica's clock may have written the first of the two.
    became.then(|| Duration::try_from(took).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use fleet_api::condition::ConditionReason;

    use super::*;
    use crate::status::Truth;

    fn finding(truth: Truth, reason: ConditionReason) -> Finding {
        Finding {
            kind: ConditionType::Ready,
            truth,
            reason,
            message: String::new(),
        }
    }

    fn at(second: u64, status: &str) -> Condition {
        Condition {
            type_: "Ready".to_owned(),
            status: status.to_owned(),
            last_transition_time: time(UnixMillis(second * 1_000)),
            message: String::new(),
            observed_generation: None,
            reason: String::new(),
        }
    }

    #[test]
    fn the_transition_time_changes_only_with_the_status() {
        let second = |n: u64| UnixMillis(n * 1_000 + 999);
        let pending = finding(Truth::False, ConditionReason::DevicesPending);
        let first = conditions(&[pending], &[], Some(1), second(1));
        let since = |found: &[Condition]| found[0].last_transition_time.clone();
        assert_eq!(since(&first), time(second(1)));
        let failed = finding(Truth::False, ConditionReason::DevicesFailed);
        let then = conditions(&[failed], &first, Some(1), second(2));
        assert_eq!(since(&then), time(second(1)));
        assert_eq!(then[0].reason, "DevicesFailed");
        let ready = finding(Truth::True, ConditionReason::AllSucceeded);
        let third = conditions(&[ready], &then, Some(1), second(3));
        assert_eq!(since(&third), time(second(3)));
    }

    #[test]
    fn how_long_it_was_not_ready_counts_once_it_is() {
        let [fresh, waits, done] = [at(1, "True"), at(5, "False"), at(12, "True")];
        let cases = [
            (Some(&waits), &done, Some(7)),
            (Some(&fresh), &waits, None),
            (Some(&fresh), &fresh, None),
            (None, &done, None),
        ];
        for (before, now, seconds) in cases {
            let took = unready(before, Some(now));
            assert_eq!(took, seconds.map(Duration::from_secs), "{before:?} {now:?}");
        }
    }
}
