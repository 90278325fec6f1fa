use fleet_contracts::UnixMillis;
use fleet_contracts::payload::Refusal;
use fleet_contracts::reason::RefusalReason;
use fleet_operator_core::index::{DeviceView, Reachability};
use fleet_operator_core::labels::{DropReason, Dropped};
use fleet_operator_core::status::device_conditions;

use super::{State, written};
use crate::health::Health;

pub(super) fn states() -> Vec<State> {
    let refusing = DeviceView {
        refusal: Some(Refusal {
            reason: RefusalReason::BadSignature,
            message: "no trusted key signed it".to_owned(),
            at: UnixMillis(0),
        }),
        // Whatever else is wrong with it: this is what is said.
        ..view(Reachability::Stale)
    };
    let labels = DeviceView {
        dropped: vec![Dropped {
            key: "a b".into(),
            reason: DropReason::InvalidKey,
        }],
        ..view(Reachability::Reachable)
    };
    vec![
        state(
            "reachable",
            &view(Reachability::Reachable),
            Health::Healthy,
            "HeartbeatReceived: heartbeats arrive",
        ),
        state(
            "awaited",
            &view(Reachability::Unknown),
            Health::Progressing,
            "waiting for a status",
        ),
        state(
            "stale",
            &view(Reachability::Stale),
            Health::Degraded,
            "HeartbeatMissed: no heartbeat within the threshold",
        ),
        state(
            "labels-dropped",
            &labels,
            Health::Degraded,
            "LabelsDropped: dropped \"a b\" (invalid key)",
        ),
        state(
            "refusing",
            &refusing,
            Health::Degraded,
            "ManifestRefused: BadSignature: no trusted key signed it",
        ),
    ]
}

fn state(name: &'static str, view: &DeviceView, health: Health, message: &str) -> State {
    let mut conditions = written(&device_conditions(view));
    for condition in &mut conditions {
        // A Device's spec is what the device says of itself; its conditions are not about that.
        condition.observed_generation = None;
    }
    State::new(name, conditions, health, message)
}

fn view(reachability: Reachability) -> DeviceView {
    DeviceView {
        reachability,
        last_seen: None,
        dropped: Vec::new(),
        refusal: None,
    }
}
