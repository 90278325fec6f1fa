use fleet_api::Device;
use fleet_contracts::DeviceId;
use fleet_operator_core::replica::WantedDeviceStatus;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _};
use serde_json::json;

use super::{Done, Failure, MANAGER, Writers, api, is_missing};
use crate::clock;

impl Writers {
    pub(super) async fn write_device_status(&self, device: &DeviceId) -> Result<Done, Failure> {
        let wanted = self
            .shared
            .lock()
            .wanted_device_status(device, clock::wall());
        let Some(WantedDeviceStatus { status, told }) = wanted else {
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
        self.shared
            .lock()
            .device_status_written(device, told, &status);
        Ok(Done::Written)
    }
}
