use fleet_operator_core::status::Finding;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Conditions for these findings; the time of one that keeps its status is kept, too.
pub(super) fn conditions(
    findings: &[Finding],
    before: &[Condition],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    findings
        .iter()
        .map(|finding| {
            let kind = finding.kind.as_str();
            let status = finding.truth.as_str();
            let since = before
                .iter()
                .find(|old| old.type_ == kind && old.status == status)
                .map_or(Time(now), |old| old.last_transition_time.clone());
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

/// The present time as Kubernetes keeps it: whole seconds.
pub(super) fn present() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// A time of the bus as Kubernetes keeps it.
pub(super) fn time(at: fleet_contracts::UnixMillis) -> Time {
    let seconds = i64::try_from(at.0 / 1_000).unwrap_or(i64::MAX);
    Time(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_api::condition::{ConditionReason, ConditionType};
    use fleet_operator_core::status::Truth;

    fn finding(truth: Truth, reason: ConditionReason) -> Finding {
        Finding {
            kind: ConditionType::Ready,
            truth,
            reason,
            message: String::new(),
        }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a time")
    }

    #[test]
    fn the_transition_time_changes_only_with_the_status() {
        let pending = finding(Truth::False, ConditionReason::DevicesPending);
        let first = conditions(&[pending], &[], Some(1), at(1));
        assert_eq!(first[0].last_transition_time, Time(at(1)));
        let failed = finding(Truth::False, ConditionReason::DevicesFailed);
        let second = conditions(&[failed], &first, Some(1), at(2));
        assert_eq!(second[0].last_transition_time, Time(at(1)));
        assert_eq!(second[0].reason, "DevicesFailed");
        let ready = finding(Truth::True, ConditionReason::AllSucceeded);
        let third = conditions(&[ready], &second, Some(1), at(3));
        assert_eq!(third[0].last_transition_time, Time(at(3)));
    }
}
