//! What a status says, as a value.

use fleet_api::condition::{ConditionReason as Reason, ConditionType};
use fleet_api::{Decision, DeviceEnrolmentStatus};
use fleet_auth_core::enrol::Standing;
use fleet_contracts::enrolment::DenialReason;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

use super::view::View;

/// Why an enrolment is ready or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) ready: bool,
    pub(crate) reason: Reason,
    pub(crate) message: String,
}

impl Verdict {
    pub(crate) fn not_yet(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            ready: false,
            reason,
            message: message.into(),
        }
    }

    pub(crate) fn ready() -> Self {
        let message = "The device has a user, a key and its role.".to_owned();
        Self {
            ready: true,
            reason: Reason::Provisioned,
            message,
        }
    }

    /// What follows from how it stands, with nothing to do.
    pub(crate) fn of(standing: Standing) -> Self {
        match standing {
            Standing::Pending => Self::not_yet(Reason::ApprovalAwaited, "Nobody has decided yet."),
            Standing::Approved => {
                Self::not_yet(Reason::Provisioning, "User and key are being made.")
            }
            Standing::Ready => Self::ready(),
            Standing::Closed(DenialReason::Revoked) => {
                Self::not_yet(Reason::ApprovalRevoked, "The approval was taken back.")
            }
            Standing::Closed(DenialReason::ApprovalTimedOut) => {
                Self::not_yet(Reason::ApprovalTimedOut, "Nobody decided in time.")
            }
            Standing::Closed(DenialReason::KeyExpired) => {
                Self::not_yet(Reason::KeyExpired, "The key's time is over.")
            }
            Standing::Closed(_) => Self::not_yet(Reason::Decided, "It was denied."),
        }
    }
}

/// The status with these conditions; the rest as it was.
pub(crate) fn with_verdict(
    view: &View,
    verdict: &Verdict,
    now: Timestamp,
) -> DeviceEnrolmentStatus {
    let mut status = view.object.status.clone().unwrap_or_default();
    let decided = view
        .object
        .spec
        .approval
        .as_ref()
        .map(|a| (a.decision, a.message.as_str()));
    let by_policy = view.status().and_then(|s| s.policy_approval.as_ref());
    let by_policy = by_policy.map(|p| format!("Rule {:?}: {}.", p.rule, p.because));
    let timed_out = view.standing == Standing::Closed(DenialReason::ApprovalTimedOut);
    let (reason, message) = match decided {
        Some((_, message)) => (Reason::Decided, message),
        None if by_policy.is_some() => {
            let because = by_policy.as_deref().unwrap_or_default();
            (Reason::ApprovedByPolicy, because)
        }
        None if timed_out => (Reason::ApprovalTimedOut, "Nobody decided in time."),
        None => (Reason::ApprovalAwaited, "Nobody has decided yet."),
    };
    let approved = match decided {
        Some((decision, _)) => decision == Decision::Approved,
        None => by_policy.is_some(),
    };
    let denied = matches!(decided, Some((Decision::Denied, _))) || timed_out;
    let wanted = [
        (ConditionType::Approved, approved, reason, message),
        (ConditionType::Denied, denied, reason, message),
        (
            ConditionType::Ready,
            verdict.ready,
            verdict.reason,
            &verdict.message,
        ),
    ];
    let generation = view.object.metadata.generation;
    let old = std::mem::take(&mut status.conditions);
    status.conditions = wanted
        .into_iter()
        .map(|(kind, is, reason, message)| {
            let text = if is { "True" } else { "False" };
            let same = |c: &&Condition| c.type_ == kind.as_str() && c.status == text;
            let since = old
                .iter()
                .find(same)
                .map(|c| c.last_transition_time.clone());
            Condition {
                type_: kind.as_str().to_owned(),
                status: text.to_owned(),
                reason: reason.as_str().to_owned(),
                message: message.to_owned(),
                observed_generation: generation,
                // Kubernetes keeps whole seconds; more would make each status differ from the stored.
                last_transition_time: since.unwrap_or_else(|| whole_seconds(now)),
            }
        })
        .collect();
    status
}

/// A time as Kubernetes stores it.
pub(crate) fn whole_seconds(at: Timestamp) -> Time {
    Time(Timestamp::from_second(at.as_second()).unwrap_or(at))
}
