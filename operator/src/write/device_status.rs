use fleet_api::{Device, DeviceStatus};
use fleet_contracts::DeviceId;
use fleet_operator_core::replica::WantedDeviceStatus;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

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
        let patch = patch(&status);
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        // A merge patch, as for Deployments: an apply costs the API server more.
        let written =
            api(objects.patch_status(device.as_str(), &params, &Patch::Merge(&patch))).await;
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

/// Every field by name: what is left out of a merge patch would stay.
fn patch(status: &DeviceStatus) -> Value {
    let DeviceStatus {
        last_seen,
        conditions,
    } = status;
    json!({"status": {"lastSeen": last_seen, "conditions": conditions}})
}
