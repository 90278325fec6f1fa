//! Builders with defaults.
#![allow(
    dead_code,
    unreachable_pub,
    clippy::expect_used,
    reason = "test code; each test binary uses its own part of it"
)]

use fleet_api::{Deployment, TargetSelector};
use fleet_contracts::kv::EntryKey;
use fleet_contracts::payload::{DeviceState, Phase};
use fleet_contracts::reason::DeviceReason;
use fleet_contracts::{DeploymentRef, DeviceId, Generation, Revision, UnixMillis};
use fleet_operator_core::admit::{Admitted, admit};
use fleet_operator_core::index::{DeviceSeen, Heard, Info, Input, Reachability, Report};
use fleet_operator_core::labels::Labels;
use serde_json::{Value, json};

pub fn device(name: &str) -> DeviceId {
    name.parse().expect("a device id")
}

pub fn reference(name: &str) -> DeploymentRef {
    format!("shop.{name}").parse().expect("a reference")
}

pub fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}

/// A Deployment as the API server would hand it out.
#[derive(Clone)]
pub struct Object {
    pub name: String,
    pub uid: String,
    pub generation: i64,
    pub created: u64,
    pub deleting: bool,
    pub selector: Value,
    pub target_all: bool,
    pub image: String,
}

impl Object {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            uid: format!("uid-{name}"),
            generation: 1,
            created: 1_000,
            deleting: false,
            selector: json!({"matchLabels": {"region": "eu"}}),
            target_all: false,
            image: "web:v1".into(),
        }
    }

    pub fn selector(self, selector: Value) -> Self {
        Self { selector, ..self }
    }

    pub fn image(self, image: &str) -> Self {
        Self {
            image: image.into(),
            generation: self.generation + 1,
            ..self
        }
    }

    /// A spec that breaks a rule.
    pub fn broken(self) -> Self {
        self.image("")
    }

    pub fn admitted(&self) -> Admitted {
        let services = if self.image.is_empty() {
            json!([])
        } else {
            json!([{"name": "s", "image": self.image}])
        };
        let mut object: Deployment = serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
            "metadata": {"namespace": "shop", "name": self.name, "uid": self.uid, "generation": self.generation},
            "spec": {"targetSelector": self.selector, "targetAll": self.target_all,
                "score": {"PodmanV0": {"services": services}}},
        }))
        .expect("parses");
        if self.deleting {
            object.metadata.deletion_timestamp =
                serde_json::from_value(json!("2026-01-01T00:00:00Z")).expect("a time");
        }
        let mut admitted = admit(&object).expect("named");
        admitted.created = UnixMillis(self.created);
        admitted
    }

    pub fn revision(&self) -> Revision {
        self.admitted().plan.expect("valid").revision
    }

    pub fn target(&self) -> TargetSelector {
        serde_json::from_value(self.selector.clone()).expect("a selector")
    }

    pub fn input(&self) -> Input {
        Input::Deployment(self.admitted())
    }
}

pub fn seen(name: &str, pairs: &[(&str, &str)]) -> Input {
    Input::Device(DeviceSeen {
        device: device(name),
        labels: labels(pairs),
        applied: None,
        reachability: Reachability::Unknown,
    })
}

pub fn key(device_name: &str, deployment: &str) -> EntryKey {
    EntryKey {
        device: device(device_name),
        deployment: reference(deployment),
    }
}

pub fn report(device: &str, deployment: &str, revision: Revision, phase: Phase, at: u64) -> Input {
    let failed = phase == Phase::Failed;
    let state = DeviceState {
        schema_version: 1,
        revision,
        phase,
        reason: failed.then_some(DeviceReason::ImageNotFound),
        message: if failed {
            format!("no image on {device}")
        } else {
            String::new()
        },
        at: UnixMillis(0),
        services: vec![],
    };
    Input::Report {
        key: key(device, deployment),
        report: Report::new(state, UnixMillis(at)),
    }
}

pub fn heartbeat(name: &str, at: u64) -> Input {
    heartbeat_following(name, Generation(0), at)
}

pub fn heartbeat_following(name: &str, follows: Generation, at: u64) -> Input {
    Input::Heartbeat {
        device: device(name),
        heard: Heard {
            received: UnixMillis(at),
            follows,
            refusal: None,
        },
    }
}

pub fn info(name: &str, pairs: &[(&str, &str)]) -> Input {
    let labels = labels(pairs);
    Input::Info {
        device: device(name),
        info: Info {
            digest: format!("{labels:?}"),
            labels,
            dropped: vec![],
        },
    }
}
