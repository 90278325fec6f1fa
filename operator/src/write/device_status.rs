use fleet_api::{Device, DeviceStatus};
use fleet_contracts::DeviceId;
use fleet_operator_core::status::device_conditions;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _};
use serde_json::json;

use super::conditions::{conditions, present, time};
use super::{Done, Failure, MANAGER, Writers, api, is_missing};

impl Writers {
    pub(super) async fn write_device_status(&self, device: &DeviceId) -> Result<Done, Failure> {
        let Some(status) = self.device_status(device) else {
            return Ok(Done::Unchanged);
        };
        let objects: Api<Device> = Api::all(self.client.clone());
        let patch = json!({
            "apiVersion": Device::api_version(&()), "kind": Device::kind(&()),
            "metadata": {"name": device},
            "status": status,
        });
        let params = PatchParams::apply(MANAGER).force();
        let written =
            api(objects.patch_status(device.as_str(), &params, &Patch::Apply(&patch))).await;
        match written {
            Ok(_) => {}
            Err(failure) if is_missing(&failure) => return Ok(Done::Unchanged),
            Err(failure) => return Err(failure),
        }
        let mut state = self.shared.lock();
        if let Some(known) = state.known.devices.get_mut(device) {
            known.clone_from(&status.conditions);
        }
        Ok(Done::Written)
    }

    /// The status as it should be, if its conditions are not. A heartbeat alone changes nothing.
    fn device_status(&self, device: &DeviceId) -> Option<DeviceStatus> {
        let state = self.shared.lock();
        let view = state.index.device_view(device)?;
        let before = state.known.devices.get(device)?;
        let conditions = conditions(&device_conditions(&view), before, None, present());
        if conditions == *before {
            return None;
        }
        Some(DeviceStatus {
            last_seen: view.last_seen.map(time),
            conditions,
        })
    }
}
