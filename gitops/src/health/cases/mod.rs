//! What each script has to say, as the scripts' tests: objects in every state and their health.
//!
//! The statuses of Deployments and Devices are made by the operator's own functions, so that a script
//! is tried with what the operator writes and not with what somebody thinks that it writes.

mod deployment;
mod device;
mod enrolment;

use fleet_api::{GROUP, VERSION};
use fleet_operator_core::status::{Finding, Truth};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use serde::Serialize;
use serde_json::Value;

use super::{Health, Kind};

/// The generation of the objects.
const GENERATION: i64 = 2;

/// An object, and what its kind's script has to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// What state it is in; also the name of its file.
    pub name: &'static str,
    /// The object.
    pub object: Value,
    /// How it is.
    pub health: Health,
    /// What the script says of it.
    pub message: String,
}

/// All cases of a kind.
///
/// # Errors
/// When an object cannot be written as JSON.
pub fn cases(kind: Kind) -> Result<Vec<Case>, serde_json::Error> {
    let states = match kind {
        Kind::Deployment => deployment::states(),
        Kind::Device => device::states(),
        Kind::DeviceEnrolment => enrolment::states(),
    };
    let [unseen, outdated] = common();
    let all = [vec![unseen], states, vec![outdated]].concat();
    all.into_iter().map(|state| case(kind, state)).collect()
}

/// A state of a resource, with its conditions; none: nobody has written a status.
#[derive(Debug, Clone)]
struct State {
    name: &'static str,
    conditions: Option<Vec<Condition>>,
    health: Health,
    message: String,
}

impl State {
    fn new(
        name: &'static str,
        conditions: Vec<Condition>,
        health: Health,
        message: impl Into<String>,
    ) -> Self {
        Self {
            name,
            conditions: Some(conditions),
            health,
            message: message.into(),
        }
    }
}

/// What all kinds have in common: no status yet, and one that is about an earlier spec.
fn common() -> [State; 2] {
    let unseen = State {
        name: "unseen",
        conditions: None,
        health: Health::Progressing,
        message: "waiting for a status".to_owned(),
    };
    let ready = condition("Ready", Truth::True, "AnyReason", "of the spec before");
    let outdated = Condition {
        observed_generation: Some(GENERATION - 1),
        ..ready
    };
    let outdated = State::new(
        "outdated",
        vec![outdated],
        Health::Progressing,
        "the status is about an earlier version of the resource",
    );
    [unseen, outdated]
}

/// A resource as far as a script looks at it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    api_version: String,
    kind: &'static str,
    metadata: ObjectMeta,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
}

#[derive(Serialize)]
struct Status {
    conditions: Vec<Condition>,
}

fn case(kind: Kind, state: State) -> Result<Case, serde_json::Error> {
    let object = Object {
        api_version: format!("{GROUP}/{VERSION}"),
        kind: kind.as_str(),
        metadata: ObjectMeta {
            name: Some("example".to_owned()),
            generation: Some(GENERATION),
            ..ObjectMeta::default()
        },
        status: state.conditions.map(|conditions| Status { conditions }),
    };
    Ok(Case {
        name: state.name,
        object: serde_json::to_value(object)?,
        health: state.health,
        message: state.message,
    })
}

/// A condition at a fixed time, about the current generation.
fn condition(kind: &str, truth: Truth, reason: &str, message: &str) -> Condition {
    Condition {
        type_: kind.to_owned(),
        status: truth.as_str().to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        observed_generation: Some(GENERATION),
        last_transition_time: Time(Timestamp::UNIX_EPOCH),
    }
}

/// The conditions that the operator writes for its findings.
fn written(findings: &[Finding]) -> Vec<Condition> {
    let one = |f: &Finding| condition(f.kind.as_str(), f.truth, f.reason.as_str(), &f.message);
    findings.iter().map(one).collect()
}
