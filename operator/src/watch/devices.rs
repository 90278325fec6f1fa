use std::sync::Arc;

use fleet_api::Device;
use fleet_api::condition::ConditionType;
use fleet_contracts::DeviceId;
use fleet_operator_core::Input;
use fleet_operator_core::index::{DeviceSeen, Reachability};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt as _};

use super::objects::{Objects, follow};
use crate::rejected::Rejected;
use crate::state::{Shared, Source};
use crate::write::APPLIED_ANNOTATION;

/// Follows `Device` objects.
pub async fn devices(shared: Arc<Shared>, rejected: Arc<Rejected>, client: Client) {
    let watch = DeviceWatch {
        shared: Arc::clone(&shared),
        rejected,
    };
    follow(shared, Api::all(client), Source::Devices, watch).await;
}

struct DeviceWatch {
    shared: Arc<Shared>,
    rejected: Arc<Rejected>,
}

impl Objects<Device> for DeviceWatch {
    type Key = DeviceId;

    fn applied(&mut self, object: DeserializeGuard<Device>) -> Option<DeviceId> {
        let name = object.name_any();
        let device: DeviceId = match name.parse() {
            Ok(device) => device,
            Err(error) => {
                let metrics = &self.shared.metrics;
                self.rejected
                    .note(metrics, "devices", &name, "InvalidName", &error);
                return None;
            }
        };
        // Labels are all that counts; they are there even if the rest cannot be read.
        let labels = object.labels().clone();
        let applied = object.annotations().get(APPLIED_ANNOTATION).cloned();
        let status = object.0.ok().and_then(|d| d.status).unwrap_or_default();
        let seen = DeviceSeen {
            device: device.clone(),
            labels,
            applied,
            reachability: reachability(&status.conditions),
        };
        let mut state = self.shared.lock();
        state
            .known
            .devices
            .insert(device.clone(), status.conditions);
        drop(state);
        self.shared.apply(Input::Device(seen));
        Some(device)
    }

    fn gone(&mut self, key: &DeviceId) {
        tracing::info!(device = %key, "device is forgotten");
        let mut state = self.shared.lock();
        state.known.devices.remove(key);
        state.known.infos.remove(key);
        drop(state);
        self.shared.apply(Input::DeviceGone(key.clone()));
    }

    fn key(&self, object: &DeserializeGuard<Device>) -> Option<DeviceId> {
        object.name_any().parse().ok()
    }
}

/// What the conditions of before a restart say.
fn reachability(conditions: &[Condition]) -> Reachability {
    let found = conditions
        .iter()
        .find(|c| c.type_ == ConditionType::Reachable.as_str());
    match found.map(|c| c.status.as_str()) {
        Some("True") => Reachability::Reachable,
        Some("False") => Reachability::Stale,
        _ => Reachability::Unknown,
    }
}
