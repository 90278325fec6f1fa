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
pub(super) fn states() -> Vec<State> {
    let state =
        |name, decision, reason: Reason, health| enrolment(name, decision, reason.as_str(), health);
    vec![
        state(
            "waiting",
            Decision::Open,
            Reason::ApprovalAwaited,
            Health::Suspended,
        ),
        state(
            "provisioning",
            Decision::Yes,
            Reason::Provisioning,
            Health::Progressing,
        ),
        state("ready", Decision::Yes, Reason::Provisioned, Health::Healthy),
        state("denied", Decision::No, Reason::Decided, Health::Degraded),
        state(
            "timed-out",
            Decision::No,
            Reason::ApprovalTimedOut,
            Health::Degraded,
        ),
        state(
            "revoked",
            Decision::No,
            Reason::ApprovalRevoked,
            Health::Degraded,
        ),
        state(
            "no-provider",
            Decision::Yes,
            Reason::IdentityProviderFailed,
            Health::Degraded,
        ),
        state(
            "no-policy-store",
            Decision::Yes,
            Reason::PolicyStoreFailed,
            Health::Degraded,
        ),
        state(
            "id-held",
            Decision::Yes,
            Reason::DeviceIdHeld,
            Health::Degraded,
        ),
        state(
            "key-expired",
            Decision::Yes,
            Reason::KeyExpired,
            Health::Degraded,
        ),
        state(
            "key-unusable",
            Decision::Yes,
            Reason::KeyUnusable,
            Health::Degraded,
        ),
        enrolment(
            "later-version",
            Decision::Yes,
            "OfALaterVersion",
            Health::Progressing,
        ),
    ]
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
