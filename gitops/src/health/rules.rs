//! Which condition makes a resource healthy, and which does not.

use fleet_api::condition::{ConditionReason, ConditionType};
use fleet_operator_core::status::Truth;

use super::{Health, Kind};

/// If this condition has this status, the resource is that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The condition.
    pub condition: ConditionType,
    /// Its status.
    pub truth: Truth,
    /// Its reasons; empty: any, also those of later versions.
    pub reasons: Vec<ConditionReason>,
    /// What follows.
    pub health: Health,
}

const fn rule(condition: ConditionType, truth: Truth, health: Health) -> Rule {
    Rule {
        condition,
        truth,
        reasons: Vec::new(),
        health,
    }
}

/// The rules of a kind, the first that fits first. Where none does, the resource is on its way.
pub fn rules(kind: Kind) -> Vec<Rule> {
    match kind {
        Kind::Deployment => deployment(),
        Kind::Device => device(),
        Kind::DeviceEnrolment => enrolment(),
    }
}

/// A failure on one device is not yet the Deployment's: while others still have to report, it goes on.
/// One that matches no device is ready, or a new fleet could not take its first Deployments.
fn deployment() -> Vec<Rule> {
    vec![
        rule(ConditionType::Stalled, Truth::True, Health::Degraded),
        rule(ConditionType::Progressing, Truth::True, Health::Progressing),
        rule(ConditionType::Ready, Truth::True, Health::Healthy),
    ]
}

/// What is refused comes first: it says more than that the device is silent.
fn device() -> Vec<Rule> {
    vec![
        rule(ConditionType::Synced, Truth::False, Health::Degraded),
        rule(
            ConditionType::LabelsAccepted,
            Truth::False,
            Health::Degraded,
        ),
        rule(ConditionType::Stale, Truth::True, Health::Degraded),
        rule(ConditionType::Reachable, Truth::True, Health::Healthy),
    ]
}

fn enrolment() -> Vec<Rule> {
    let not_ready = |health| Rule {
        reasons: ConditionReason::ALL
            .iter()
            .copied()
            .filter(|reason| unready_enrolment(*reason) == Some(health))
            .collect(),
        ..rule(ConditionType::Ready, Truth::False, health)
    };
    vec![
        rule(ConditionType::Ready, Truth::True, Health::Healthy),
        not_ready(Health::Suspended),
        not_ready(Health::Progressing),
        not_ready(Health::Degraded),
        // A reason of a later version: whoever wrote it knows whether it needs help, we do not.
        rule(ConditionType::Ready, Truth::False, Health::Progressing),
    ]
}

/// How an enrolment is that is not ready for this reason; nothing for reasons of other kinds. A new
/// reason has to be judged here before this compiles.
const fn unready_enrolment(reason: ConditionReason) -> Option<Health> {
    use ConditionReason as Reason;
    match reason {
        Reason::ApprovalAwaited => Some(Health::Suspended),
        Reason::Provisioning => Some(Health::Progressing),
        Reason::Decided
        | Reason::ApprovalTimedOut
        | Reason::ApprovalRevoked
        | Reason::IdentityProviderFailed
        | Reason::PolicyStoreFailed
        | Reason::DeviceIdHeld
        | Reason::KeyExpired
        | Reason::KeyUnusable => Some(Health::Degraded),
        // Of enrolments that are ready, or of their other conditions.
        Reason::Provisioned
        | Reason::ApprovedByPolicy
        // Of Deployments and Devices.
        | Reason::AllSucceeded
        | Reason::NoDevicesMatched
        | Reason::DevicesPending
        | Reason::DevicesFailed
        | Reason::EmptySelector
        | Reason::InvalidSelector
        | Reason::InvalidScore
        | Reason::InvalidName
        | Reason::Oversize
        | Reason::ManifestOversize
        | Reason::Deleting
        | Reason::HeartbeatReceived
        | Reason::HeartbeatMissed
        | Reason::HeartbeatAwaited
        | Reason::AllAccepted
        | Reason::LabelsDropped
        | Reason::InSync
        | Reason::ManifestRefused => None,
    }
}
