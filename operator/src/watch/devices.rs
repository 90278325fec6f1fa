//! `Device` objects are by far the most of a cluster, and most of each is what the operator wrote itself.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use fleet_api::Device;
use fleet_contracts::DeviceId;
use fleet_operator_core::index::DeviceSeen;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use kube::{Api, Client, Resource, ResourceExt as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

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

/// What is read back of a `Device`. The rest is skipped where it stands: to take all of it apart and find out what of
/// it a newer version wrote costs many times as much.
#[derive(Debug, Clone, Deserialize)]
struct Seen {
    #[serde(deserialize_with = "without_owners")]
    metadata: ObjectMeta,
    #[serde(default, deserialize_with = "conditions", rename = "status")]
    conditions: Vec<Condition>,
}

/// All but who set which field.
fn without_owners<'de, D: Deserializer<'de>>(from: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Lean {
        name: Option<String>,
        resource_version: Option<String>,
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<BTreeMap<String, String>>,
    }
    let lean = Lean::deserialize(from)?;
    Ok(ObjectMeta {
        name: lean.name,
        resource_version: lean.resource_version,
        labels: lean.labels,
        annotations: lean.annotations,
        ..ObjectMeta::default()
    })
}

/// Those that can be read: one object that cannot must not stop the others.
fn conditions<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Condition>, D::Error> {
    let mut status = Value::deserialize(from)?;
    let conditions = status.get_mut("conditions").map(Value::take);
    let Some(Value::Array(conditions)) = conditions else {
        return Ok(vec![]);
    };
    let read = |condition| serde_json::from_value(condition).ok();
    Ok(conditions.into_iter().filter_map(read).collect())
}

impl Resource for Seen {
    type DynamicType = ();
    type Scope = <Device as Resource>::Scope;

    fn kind((): &()) -> Cow<'_, str> {
        Device::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        Device::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        Device::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        Device::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

struct DeviceWatch {
    shared: Arc<Shared>,
    rejected: Arc<Rejected>,
}

impl Objects for DeviceWatch {
    type Object = Seen;
    type Key = DeviceId;

    fn applied(&mut self, object: Seen) -> Option<DeviceId> {
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
        let Seen {
            metadata,
            conditions,
        } = object;
        let seen = DeviceSeen::new(device.clone(), &metadata, &conditions);
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

    fn key(&self, object: &Seen) -> Option<DeviceId> {
        object.name_any().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    fn seen(status: &str) -> Seen {
        let text = format!(
            r#"{{"apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device",
                "metadata": {{
                    "name": "pi-7", "resourceVersion": "41", "labels": {{"site": "lab"}},
                    "annotations": {{"fleet.nationtech.io/applied": "digest"}},
                    "managedFields": [{{"manager": "fleet-operator", "fieldsV1": {{"f:spec": {{}}}}}}]
                }},
                "spec": {{"inventory": "of another version"}}, "status": {status}}}"#
        );
        serde_json::from_str(&text).expect("a device")
    }

    #[test]
    fn of_a_device_names_labels_and_conditions_are_read() {
        let reachable = r#"{"type": "Reachable", "status": "True", "reason": "Heard", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}"#;
        let device = seen(&format!(r#"{{"conditions": [{reachable}]}}"#));
        let meta = device.meta();
        assert_eq!(meta.name.as_deref(), Some("pi-7"));
        assert_eq!(meta.resource_version.as_deref(), Some("41"));
        assert_eq!(device.labels()["site"], "lab");
        assert_eq!(device.annotations().len(), 1);
        assert_eq!(meta.managed_fields, None);
        assert_eq!(device.conditions[0].status, "True");
    }

    #[test]
    fn a_status_of_another_version_hides_nothing_else() {
        for status in ["null", "{}", "7", r#"{"conditions": {}}"#] {
            let device = seen(status);
            assert_eq!(device.conditions, []);
            assert_eq!(device.labels()["site"], "lab");
        }
        let device = seen(r#"{"conditions": [7, {"type": "Reachable"}]}"#);
        assert_eq!(device.conditions.len(), 0);
    }
}
