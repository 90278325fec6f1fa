use std::iter;

use fleet_api::condition::{ConditionReason, ConditionType};

use super::{Finding, Truth};
use crate::admit::{Lifecycle, Refusal};
use crate::index::{Tally, View};

/// Whether an Event is a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// For information.
    Normal,
    /// Somebody should look.
    Warning,
}

/// An Event about a Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Whether it is a warning.
    pub kind: EventKind,
    /// Its reason.
    pub reason: ConditionReason,
    /// For people.
    pub note: String,
}

/// How far a Deployment is: exactly one of the conditions Ready, Progressing and Stalled holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// All devices of its selector run it, or it matches none.
    Ready,
    /// Devices still have to report, or it is being deleted.
    Progressing,
    /// Nothing more will come by itself: its spec is refused, or every device has reported and some
    /// failed.
    Stalled,
}

impl Standing {
    /// By what is known of a Deployment.
    pub fn of(lifecycle: Lifecycle, refusal: Option<&Refusal>, tally: Tally) -> Self {
        reason(lifecycle, refusal, tally).1
    }
}

fn reason(
    lifecycle: Lifecycle,
    refusal: Option<&Refusal>,
    tally: Tally,
) -> (ConditionReason, Standing) {
    if lifecycle == Lifecycle::Deleting {
        return (ConditionReason::Deleting, Standing::Progressing);
    }
    if let Some(refusal) = refusal {
        return (refusal.reason, Standing::Stalled);
    }
    if tally.matched == 0 {
        (ConditionReason::NoDevicesMatched, Standing::Ready)
    } else if tally.failed > 0 && tally.pending > 0 {
        (ConditionReason::DevicesFailed, Standing::Progressing)
    } else if tally.failed > 0 {
        (ConditionReason::DevicesFailed, Standing::Stalled)
    } else if tally.pending > 0 {
        (ConditionReason::DevicesPending, Standing::Progressing)
    } else {
        (ConditionReason::AllSucceeded, Standing::Ready)
    }
}

/// How far a Deployment is, in one reason.
struct Verdict {
    reason: ConditionReason,
    standing: Standing,
    message: String,
}

/// Ready, Progressing and Stalled; see [`Standing`].
pub fn deployment_conditions(view: &View) -> [Finding; 3] {
    let verdict = judge(view);
    let finding = |kind, standing| Finding {
        kind,
        truth: Truth::of(verdict.standing == standing),
        reason: verdict.reason,
        message: verdict.message.clone(),
    };
    [
        finding(ConditionType::Ready, Standing::Ready),
        finding(ConditionType::Progressing, Standing::Progressing),
        finding(ConditionType::Stalled, Standing::Stalled),
    ]
}

fn judge(view: &View) -> Verdict {
    let tally = view.tally;
    let (reason, standing) = reason(view.lifecycle, view.refusal.as_ref(), tally);
    let message = match &view.refusal {
        _ if view.lifecycle == Lifecycle::Deleting => {
            "the Deployment is being removed from its devices".to_owned()
        }
        Some(refusal) if tally.matched > 0 => {
            format!("{}; devices keep the last valid spec", refusal.message)
        }
        Some(refusal) => refusal.message.clone(),
        None => summary(tally),
    };
    Verdict {
        reason,
        standing,
        message,
    }
}

fn summary(tally: Tally) -> String {
    if tally.matched == 0 {
        return "the selector matches no device".to_owned();
    }
    let rest = [
        (tally.failed, "failed"),
        (tally.pending, "pending"),
        (tally.unreachable, "unreachable"),
    ];
    let rest = rest.into_iter().filter(|(count, _)| *count > 0);
    iter::once(format!(
        "{} of {} devices succeeded",
        tally.succeeded, tally.matched
    ))
    .chain(rest.map(|(count, what)| format!("{count} {what}")))
    .collect::<Vec<_>>()
    .join(", ")
}

/// The Event to send, given the reason of the Ready condition that was written before. One for each
/// change of the reason, never one for each device.
pub fn event(before: Option<&str>, view: &View) -> Option<Event> {
    let verdict = judge(view);
    if before == Some(verdict.reason.as_str()) {
        return None;
    }
    let kind = match verdict.reason {
        ConditionReason::AllSucceeded
        | ConditionReason::DevicesPending
        | ConditionReason::NoDevicesMatched
        | ConditionReason::Deleting => EventKind::Normal,
        _ => EventKind::Warning,
    };
    let note = match &view.last_failure {
        Some(failure) if verdict.reason == ConditionReason::DevicesFailed => format!(
            "{}; latest: {} {} {}",
            verdict.message, failure.device, failure.reason, failure.message
        ),
        _ => verdict.message,
    };
    Some(Event {
        kind,
        reason: verdict.reason,
        note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn view(succeeded: u64, failed: u64, pending: u64) -> View {
        View {
            uid: "u".into(),
            generation: 1,
            lifecycle: Lifecycle::Live,
            refusal: None,
            tally: Tally {
                matched: succeeded + failed + pending,
                succeeded,
                failed,
                pending,
                unreachable: 0,
            },
            last_failure: None,
        }
    }

    #[rstest]
    #[case(view(2, 0, 0), [Truth::True, Truth::False, Truth::False], ConditionReason::AllSucceeded)]
    #[case(view(1, 0, 1), [Truth::False, Truth::True, Truth::False], ConditionReason::DevicesPending)]
    #[case(view(1, 1, 1), [Truth::False, Truth::True, Truth::False], ConditionReason::DevicesFailed)]
    #[case(view(1, 1, 0), [Truth::False, Truth::False, Truth::True], ConditionReason::DevicesFailed)]
    #[case(view(0, 0, 0), [Truth::True, Truth::False, Truth::False], ConditionReason::NoDevicesMatched)]
    #[case(View { lifecycle: Lifecycle::Deleting, ..view(1, 0, 0) },
        [Truth::False, Truth::True, Truth::False], ConditionReason::Deleting)]
    #[case(View { refusal: Some(Refusal { reason: ConditionReason::InvalidScore, message: "x".into() }), ..view(1, 0, 0) },
        [Truth::False, Truth::False, Truth::True], ConditionReason::InvalidScore)]
    fn conditions(#[case] view: View, #[case] truths: [Truth; 3], #[case] reason: ConditionReason) {
        let found = deployment_conditions(&view);
        assert_eq!(found.clone().map(|f| f.truth), truths);
        assert!(found.iter().all(|f| f.reason == reason));
    }

    #[test]
    fn the_message_counts_only_what_there_is() {
        let [ready, ..] = deployment_conditions(&view(3, 1, 0));
        assert_eq!(ready.message, "3 of 4 devices succeeded, 1 failed");
    }

    #[test]
    fn an_event_is_sent_when_the_reason_changes_and_only_then() {
        let first = event(None, &view(0, 0, 2)).expect("an event");
        assert_eq!(
            (first.kind, first.reason),
            (EventKind::Normal, ConditionReason::DevicesPending)
        );
        assert_eq!(event(Some("DevicesPending"), &view(1, 0, 1)), None);
        let failed = event(Some("DevicesPending"), &view(1, 1, 0)).expect("an event");
        assert_eq!(failed.kind, EventKind::Warning);
    }
}
