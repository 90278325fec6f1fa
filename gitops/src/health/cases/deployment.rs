use fleet_api::condition::ConditionReason;
use fleet_operator_core::admit::{Lifecycle, Refusal};
use fleet_operator_core::index::{Tally, View};
use fleet_operator_core::status::deployment_conditions;

use super::{GENERATION, State, written};
use crate::health::Health;

pub(super) fn states() -> Vec<State> {
    let refused = View {
        refusal: Some(Refusal {
            reason: ConditionReason::InvalidScore,
            message: "two services are called \"web\"".to_owned(),
        }),
        ..view(0, 0, 0)
    };
    let deleting = View {
        lifecycle: Lifecycle::Deleting,
        ..view(1, 0, 0)
    };
    vec![
        state(
            "all-succeeded",
            &view(3, 0, 0),
            Health::Healthy,
            "AllSucceeded: 3 of 3 devices succeeded",
        ),
        state(
            "no-devices",
            &view(0, 0, 0),
            Health::Healthy,
            "NoDevicesMatched: the selector matches no device",
        ),
        state(
            "pending",
            &view(1, 0, 2),
            Health::Progressing,
            "DevicesPending: 1 of 3 devices succeeded, 2 pending",
        ),
        state(
            "failing",
            &view(1, 1, 1),
            Health::Progressing,
            "DevicesFailed: 1 of 3 devices succeeded, 1 failed, 1 pending",
        ),
        state(
            "failed",
            &view(2, 1, 0),
            Health::Degraded,
            "DevicesFailed: 2 of 3 devices succeeded, 1 failed",
        ),
        state(
            "refused",
            &refused,
            Health::Degraded,
            "InvalidScore: two services are called \"web\"",
        ),
        state(
            "deleting",
            &deleting,
            Health::Progressing,
            "Deleting: the Deployment is being removed from its devices",
        ),
    ]
}

fn state(name: &'static str, view: &View, health: Health, message: &str) -> State {
    State::new(name, written(&deployment_conditions(view)), health, message)
}

fn view(succeeded: u64, failed: u64, pending: u64) -> View {
    View {
        uid: String::new(),
        generation: GENERATION,
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
