//! A Deployment in full.

use fleet_api::condition::ConditionType;
use fleet_api::{Deployment, Device};
use fleet_contracts::ReconcileScore;
use fleet_contracts::score::{Protocol, Service};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;

use super::text::{Text, moment, revision};
use super::{Related, events};
use crate::deploy::progress::condition;
use crate::selector;

/// The description. `devices` are those it matches.
pub(super) fn render(
    deployment: &Deployment,
    devices: &Related<Device>,
    events: &Related<Event>,
    now: Timestamp,
) -> String {
    let (metadata, spec) = (&deployment.metadata, &deployment.spec);
    let mut text = Text::default();
    text.field("Name", metadata.name.as_deref().unwrap_or_default());
    text.field(
        "Namespace",
        metadata.namespace.as_deref().unwrap_or_default(),
    );
    let labels = metadata
        .labels
        .iter()
        .flatten()
        .map(|(k, v)| format!("{k}={v}"));
    text.fields("Labels", labels);
    text.field(
        "Created",
        &moment(metadata.creation_timestamp.as_ref(), now),
    );
    if metadata.deletion_timestamp.is_some() {
        text.field(
            "Deleting since",
            &moment(metadata.deletion_timestamp.as_ref(), now),
        );
    }
    text.field("Selector", &selector::show(spec));
    text.field("Revision", &revision(deployment));
    if let ReconcileScore::PodmanV0(score) = &spec.score {
        let header = ["NAME", "IMAGE", "PORTS"];
        let rows: Vec<_> = score.services.iter().map(service).collect();
        text.section("Services", &header, &rows);
    }
    status(&mut text, deployment, now);
    text.related("Devices", &["NAME", "REACHABLE"], devices, |device| {
        let conditions = device.status.as_ref().map(|s| s.conditions.as_slice());
        let reachable = condition(conditions.unwrap_or_default(), ConditionType::Reachable);
        let reachable = reachable.map_or("Unknown", |c| c.status.as_str());
        vec![
            device.metadata.name.clone().unwrap_or_default(),
            reachable.to_owned(),
        ]
    });
    events::render(&mut text, events, now);
    text.finish()
}

fn service(service: &Service) -> Vec<String> {
    let ports = service.ports.iter().map(|port| {
        let ip = port.host_ip.map_or_else(String::new, |ip| format!("{ip}:"));
        let protocol = if port.protocol == Protocol::Udp {
            "/udp"
        } else {
            ""
        };
        format!("{ip}{}:{}{protocol}", port.host_port, port.container_port)
    });
    let ports = ports.collect::<Vec<_>>().join(",");
    let ports = if ports.is_empty() {
        "<none>".to_owned()
    } else {
        ports
    };
    vec![service.name.to_string(), service.image.to_string(), ports]
}

fn status(text: &mut Text, deployment: &Deployment, now: Timestamp) {
    let status = deployment.status.clone().unwrap_or_default();
    let a = &status.aggregate;
    let counts = format!(
        "{} matched: {} succeeded, {} failed, {} pending; {} unreachable",
        a.matched_device_count, a.succeeded, a.failed, a.pending, a.unreachable
    );
    text.field("Status", &counts);
    if status.observed_generation < deployment.metadata.generation {
        text.field("", "the operator has not seen the latest change yet");
    }
    if let Some(error) = &a.last_error {
        let lines = [
            format!("device {}: {}", error.device, error.reason),
            error.message.clone(),
            moment(Some(&error.at), now),
        ];
        text.fields(
            "Last error",
            lines.into_iter().filter(|line| !line.is_empty()),
        );
    }
    text.conditions(&status.conditions, now);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_deployment_that_failed_on_one_device() {
        let deployment: Deployment = serde_json::from_value(json!({
            "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "generation": 3,
                "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"targetSelector": {"matchLabels": {"site": "lab"}},
                "score": {"PodmanV0": {"services": [{"name": "web", "image": "nginx:1.27",
                    "ports": [{"hostPort": 8080, "containerPort": 80}]}]}}},
            "status": {"observedGeneration": 2, "aggregate": {"matchedDeviceCount": 2,
                "succeeded": 1, "failed": 1, "lastError": {"device": "pi-7",
                "reason": "ImageNotFound", "message": "no such tag\u{1b}[2J",
                "at": "2026-01-01T00:05:00Z"}}, "conditions": [
                {"type": "Ready", "status": "False", "reason": "DevicesFailed", "message": "1 of 2",
                 "lastTransitionTime": "2026-01-01T00:05:00Z"}]}
        }))
        .expect("deployment");
        let device = |name: &str, reachable: &str| -> Device {
            serde_json::from_value(json!({
                "apiVersion": "fleet.nationtech.io/v1alpha1", "kind": "Device",
                "metadata": {"name": name}, "spec": {},
                "status": {"conditions": [{"type": "Reachable", "status": reachable,
                    "reason": "x", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"}]}
            }))
            .expect("device")
        };
        let event: Event = serde_json::from_value(json!({
            "metadata": {}, "involvedObject": {}, "type": "Warning", "reason": "DevicesFailed",
            "message": "device pi-7 failed", "reportingComponent": "fleet-operator", "count": 3,
            "lastTimestamp": "2026-01-01T00:06:00Z"
        }))
        .expect("event");
        let devices = Ok(vec![device("pi-7", "True"), device("pi-8", "False")]);
        let now = "2026-01-01T00:10:00Z".parse().expect("time");
        let text = render(&deployment, &devices, &Ok(vec![event]), now);
        insta::assert_snapshot!(text, @r#"
        Name:               web
        Namespace:          shop
        Labels:             <none>
        Created:            2026-01-01T00:00:00Z (10m ago)
        Selector:           site=lab
        Revision:           938eeb8b4009
        Services:
          NAME   IMAGE        PORTS
          web    nginx:1.27   8080:80
        Status:             2 matched: 1 succeeded, 1 failed, 0 pending; 0 unreachable
                            the operator has not seen the latest change yet
        Last error:         device pi-7: ImageNotFound
                            no such tag?[2J
                            2026-01-01T00:05:00Z (5m ago)
        Conditions:
          TYPE    STATUS   REASON          SINCE   MESSAGE
          Ready   False    DevicesFailed   5m      1 of 2
        Devices:
          NAME   REACHABLE
          pi-7   True
          pi-8   False
        Events:
          TYPE      REASON          AGE       FROM             MESSAGE
          Warning   DevicesFailed   4m (x3)   fleet-operator   device pi-7 failed
        "#);
    }
}
