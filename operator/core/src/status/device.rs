use fleet_api::condition::{ConditionReason, ConditionType};

use super::{Finding, Truth};
use crate::index::{DeviceView, Reachability};
use crate::labels::Dropped;

/// How many dropped labels a message names.
const NAMED: usize = 10;

/// Reachable, Stale, LabelsAccepted and Synced.
pub fn device_conditions(view: &DeviceView) -> [Finding; 4] {
    let [reachable, stale] = reachability(view.reachability);
    [reachable, stale, labels(&view.dropped), synced(view)]
}

fn reachability(state: Reachability) -> [Finding; 2] {
    let (truth, opposite, reason, message) = match state {
        Reachability::Reachable => (
            Truth::True,
            Truth::False,
            ConditionReason::HeartbeatReceived,
            "heartbeats arrive",
        ),
        Reachability::Stale => (
            Truth::False,
            Truth::True,
            ConditionReason::HeartbeatMissed,
            "no heartbeat within the threshold",
        ),
        Reachability::Unknown => (
            Truth::Unknown,
            Truth::Unknown,
            ConditionReason::HeartbeatAwaited,
            "no heartbeat yet",
        ),
    };
    let finding = |kind, truth| Finding {
        kind,
        truth,
        reason,
        message: message.to_owned(),
    };
    [
        finding(ConditionType::Reachable, truth),
        finding(ConditionType::Stale, opposite),
    ]
}

fn labels(dropped: &[Dropped]) -> Finding {
    let (truth, reason, message) = if dropped.is_empty() {
        let message = "all labels were usable".to_owned();
        (Truth::True, ConditionReason::AllAccepted, message)
    } else {
        let named: Vec<_> = dropped
            .iter()
            .take(NAMED)
            .map(|d| format!("{:?} ({})", d.key, d.reason))
            .collect();
        let more = dropped.len().saturating_sub(NAMED);
        let rest = if more > 0 {
            format!(" and {more} more")
        } else {
            String::new()
        };
        let message = format!("dropped {}{rest}", named.join(", "));
        (Truth::False, ConditionReason::LabelsDropped, message)
    };
    Finding {
        kind: ConditionType::LabelsAccepted,
        truth,
        reason,
        message,
    }
}

fn synced(view: &DeviceView) -> Finding {
    let (truth, reason, message) = match &view.refusal {
        None => (
            Truth::True,
            ConditionReason::InSync,
            "the device follows its manifest".to_owned(),
        ),
        Some(refusal) => (
            Truth::False,
            ConditionReason::ManifestRefused,
            format!("{}: {}", refusal.reason, refusal.message),
        ),
    };
    Finding {
        kind: ConditionType::Synced,
        truth,
        reason,
        message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::labels::DropReason;
    use fleet_contracts::UnixMillis;
    use fleet_contracts::payload::Refusal;
    use fleet_contracts::reason::RefusalReason;

    fn view() -> DeviceView {
        DeviceView {
            reachability: Reachability::Reachable,
            last_seen: Some(UnixMillis(1)),
            dropped: vec![],
            refusal: None,
        }
    }

    fn truths(view: &DeviceView) -> [Truth; 4] {
        device_conditions(view).map(|f| f.truth)
    }

    #[test]
    fn a_device_in_order() {
        assert_eq!(
            truths(&view()),
            [Truth::True, Truth::False, Truth::True, Truth::True]
        );
    }

    #[test]
    fn a_device_not_heard_yet_is_neither_reachable_nor_stale() {
        let view = DeviceView {
            reachability: Reachability::Unknown,
            ..view()
        };
        assert_eq!(truths(&view)[..2], [Truth::Unknown, Truth::Unknown]);
    }

    #[test]
    fn dropped_labels_and_refusals_are_named() {
        let view = DeviceView {
            dropped: vec![Dropped {
                key: "a b".into(),
                reason: DropReason::InvalidKey,
            }],
            refusal: Some(Refusal {
                reason: RefusalReason::BadSignature,
                message: "key 1".into(),
                at: UnixMillis(1),
            }),
            ..view()
        };
        let [_, _, labels, synced] = device_conditions(&view);
        assert_eq!(labels.message, "dropped \"a b\" (invalid key)");
        assert_eq!(synced.message, "BadSignature: key 1");
    }
}
