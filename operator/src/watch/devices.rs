use std::sync::Arc;

use fleet_api::Device;
use fleet_contracts::DeviceId;
use fleet_operator_core::index::DeviceSeen;
use fleet_operator_core::replica::conditions_of;
use kube::core::DeserializeGuard;
use kube::{Api, Client, ResourceExt as _};

use super::objects::{Objects, follow};
use crate::clock;
use crate::rejected::Rejected;
use crate::state::{Shared, Source};

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
        let meta = kube::Resource::meta(&object).clone();
        let conditions = conditions_of(object.0.ok());
        let seen = DeviceSeen::new(device.clone(), &meta, &conditions);
        let now = clock::now();
        let taken = self.shared.lock().device_seen(seen, conditions, now);
        self.shared.took(&taken);
        Some(device)
    }

    fn gone(&mut self, key: &DeviceId) {
        tracing::info!(device = %key, "device is forgotten");
        let taken = self.shared.lock().device_gone(key, clock::now());
        self.shared.took(&taken);
    }

    fn key(&self, object: &DeserializeGuard<Device>) -> Option<DeviceId> {
        object.name_any().parse().ok()
    }
}
