use fleet_api::Device;
use fleet_contracts::DeviceId;
use fleet_operator_core::replica::APPLIED_ANNOTATION;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource as _};
use serde_json::{Value, json};

use super::{Done, Failure, MANAGER, Writers, api};

impl Writers {
    /// Server-side apply: labels that people added stay, labels the device no longer sends go.
    pub(super) async fn write_device_object(&self, device: &DeviceId) -> Result<Done, Failure> {
        let Some(patch) = self.device_object(device) else {
            return Ok(Done::Unchanged);
        };
        let objects: Api<Device> = Api::all(self.client.clone());
        let params = PatchParams::apply(MANAGER).force();
        api(objects.patch(device.as_str(), &params, &Patch::Apply(&patch))).await?;
        tracing::info!(%device, "device object applied");
        Ok(Done::Written)
    }

    fn device_object(&self, device: &DeviceId) -> Option<Value> {
        let object = self.shared.lock().device_object(device)?;
        Some(json!({
            "apiVersion": Device::api_version(&()), "kind": Device::kind(&()),
            "metadata": {
                "name": device,
                "labels": object.labels,
                "annotations": {APPLIED_ANNOTATION: object.digest},
            },
            "spec": {"inventory": object.inventory},
        }))
    }
}
