//! A device in full.

use fleet_api::condition::ConditionType;
use fleet_api::{Deployment, Device};
use fleet_contracts::payload::Inventory;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

use super::text::{Text, moment, revision};
use super::{Related, events};
use crate::deploy::progress::condition;
use crate::get::images;

/// The description. `deployments` are those that match the device.
pub(super) fn render(
    device: &Device,
    deployments: &Related<Deployment>,
    events: &Related<Event>,
    now: Timestamp,
) -> String {
    let status = device.status.clone().unwrap_or_default();
    let mut text = Text::default();
    text.field("Name", device.metadata.name.as_deref().unwrap_or_default());
    let labels = device
        .metadata
        .labels
        .iter()
        .flatten()
        .map(|(k, v)| format!("{k}={v}"));
    text.fields("Labels", labels);
    text.field(
        "Created",
        &moment(device.metadata.creation_timestamp.as_ref(), now),
    );
    let reachable = condition(&status.conditions, ConditionType::Reachable);
    text.field(
        "Reachable",
        reachable.map_or("Unknown", |c| c.status.as_str()),
    );
    text.field("Last seen", &moment(status.last_seen.as_ref(), now));
    inventory(&mut text, &device.spec.inventory);
    text.conditions(&status.conditions, now);
    let header = ["NAMESPACE", "NAME", "REVISION", "IMAGES"];
    text.related("Deployments", &header, deployments, |d| {
        vec![
            d.metadata.namespace.clone().unwrap_or_default(),
            d.metadata.name.clone().unwrap_or_default(),
            revision(d),
            images(&d.spec.score),
        ]
    });
    events::render(&mut text, events, now);
    text.finish()
}

pub(super) fn inventory(text: &mut Text, inventory: &Inventory) {
    let known = |value: &Option<String>| value.clone().unwrap_or_default();
    text.field("Architecture", &known(&inventory.architecture));
    text.field("OS", &known(&inventory.operating_system));
    text.field("Kernel", &known(&inventory.kernel_version));
    text.field(
        "CPU cores",
        &inventory
            .cpu_cores
            .map_or_else(String::new, |n| n.to_string()),
    );
    text.field(
        "Memory",
        &inventory.memory_bytes.map_or_else(String::new, bytes),
    );
    text.field(
        "Disk",
        &inventory.disk_bytes.map_or_else(String::new, bytes),
    );
    text.field("Podman", &known(&inventory.podman_version));
    text.field("Agent", &known(&inventory.agent_version));
    text.fields(
        "Addresses",
        inventory.addresses.iter().map(ToString::to_string),
    );
}

/// In MiB or GiB with one decimal, rounded down.
fn bytes(count: i64) -> String {
    let tenths = |unit: i64| {
        let tenths = count.max(0) / (unit / 10);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    if count >= 1 << 30 {
        format!("{} GiB", tenths(1 << 30))
    } else {
        format!("{} MiB", tenths(1 << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_device_with_a_deployment_and_events_that_are_forbidden() {
        let device: Device = serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device",
            "metadata": {"name": "pi-7", "labels": {"device-id": "pi-7", "site": "lab"},
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"inventory": {"architecture": "aarch64", "cpuCores": 4,
                "memoryBytes": 4_000_000_000_i64, "addresses": ["10.0.0.7"]}},
            "status": {"lastSeen": "2026-01-01T00:09:00Z", "conditions": [
                {"type": "Reachable", "status": "False", "reason": "HeartbeatMissed",
                 "message": "no heartbeat for 60 s", "lastTransitionTime": "2026-01-01T00:05:00Z"}]}
        }))
        .expect("device");
        let deployment: Deployment = serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"targetAll": true, "score": {"PodmanV0": {"services": [
                {"name": "web", "image": "nginx:1.27"}]}}}
        }))
        .expect("deployment");
        let forbidden = crate::cluster::ClusterError::Refused {
            reason: "Forbidden".into(),
            message: "events is forbidden".into(),
        };
        let now = "2026-01-01T00:10:00Z".parse().expect("time");
        let text = render(&device, &Ok(vec![deployment]), &Err(forbidden), now);
        insta::assert_snapshot!(text, @r#"
        Name:               pi-7
        Labels:             device-id=pi-7
                            site=lab
        Created:            2026-01-01T00:00:00Z (10m ago)
        Reachable:          False
        Last seen:          2026-01-01T00:09:00Z (60s ago)
        Architecture:       aarch64
        OS:                 <none>
        Kernel:             <none>
        CPU cores:          4
        Memory:             3.7 GiB
        Disk:               <none>
        Podman:             <none>
        Agent:              <none>
        Addresses:          10.0.0.7
        Conditions:
          TYPE        STATUS   REASON            SINCE   MESSAGE
          Reachable   False    HeartbeatMissed   5m      no heartbeat for 60 s
        Deployments:
          NAMESPACE   NAME   REVISION       IMAGES
          shop        web    e0d16151ac9b   nginx:1.27
        Events:             <cannot be listed: the API server answered (Forbidden): events is forbidden>
        "#);
    }
}
