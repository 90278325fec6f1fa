use fleet_api::condition::{ConditionReason as Reason, ConditionType};
use fleet_operator_core::status::Truth;

use super::{State, condition};
use crate::health::Health;

/// What was decided.
#[derive(Clone, Copy, PartialEq)]
enum Decision {
    Open,
    Yes,
    No,
}

/// Each state in which the enrolment service leaves an enrolment.
const STATES: [(&str, Decision, Reason, Health); 11] = {
    use Decision::{No, Open, Yes};
    use Health::{Degraded, Healthy, Progressing, Suspended};
    [
        ("waiting", Open, Reason::ApprovalAwaited, Suspended),
        ("provisioning", Yes, Reason::Provisioning, Progressing),
        ("ready", Yes, Reason::Provisioned, Healthy),
        ("denied", No, Reason::Decided, Degraded),
        ("timed-out", No, Reason::ApprovalTimedOut, Degraded),
        ("revoked", No, Reason::ApprovalRevoked, Degraded),
        ("no-provider", Yes, Reason::IdentityProviderFailed, Degraded),
        ("no-policy-store", Yes, Reason::PolicyStoreFailed, Degraded),
        ("id-held", Yes, Reason::DeviceIdHeld, Degraded),
        ("key-expired", Yes, Reason::KeyExpired, Degraded),
        ("key-unusable", Yes, Reason::KeyUnusable, Degraded),
    ]
};

pub(super) fn states() -> Vec<State> {
    let known = STATES.iter();
    let known = known.map(|(name, decision, reason, health)| {
        enrolment(name, *decision, reason.as_str(), *health)
    });
    let later = enrolment(
        "later-version",
        Decision::Yes,
        "OfALaterVersion",
        Health::Progressing,
    );
    known.chain([later]).collect()
}

fn enrolment(name: &'static str, decision: Decision, reason: &str, health: Health) -> State {
    let truth = |holds| if holds { Truth::True } else { Truth::False };
    let decided = match decision {
        Decision::Open => Reason::ApprovalAwaited,
        Decision::Yes | Decision::No => Reason::Decided,
    };
    let of = |kind: ConditionType, holds, reason: &str| {
        condition(kind.as_str(), truth(holds), reason, "as it was found")
    };
    let conditions = vec![
        of(
            ConditionType::Approved,
            decision == Decision::Yes,
            decided.as_str(),
        ),
        of(
            ConditionType::Denied,
            decision == Decision::No,
            decided.as_str(),
        ),
        of(ConditionType::Ready, health == Health::Healthy, reason),
    ];
    let message = format!("{reason}: as it was found");
    State::new(name, conditions, health, message)
}
