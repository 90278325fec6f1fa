//! Metrics: the Service, and what the Prometheus operator is told.

use std::collections::BTreeMap;

use chartgen::{Document, Expr, helpers, v};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::metadata::{self, Overlay as _};
use super::pod::PORT;
use super::values::Values;

const API: &str = "monitoring.coreos.com/v1";
/// What the name of the metrics' Service ends in.
const SUFFIX: &str = "metrics";

pub(super) fn service() -> Document {
    let service = Service {
        metadata: metadata::namespaced(),
        spec: Some(ServiceSpec {
            // Nobody asks it by address, and Prometheus asks each pod.
            cluster_ip: Some("None".to_owned()),
            selector: Some(BTreeMap::new()),
            ports: Some(vec![ServicePort {
                name: Some(PORT.to_owned()),
                port: 8080,
                target_port: Some(IntOrString::String(PORT.to_owned())),
                protocol: Some("TCP".to_owned()),
                ..ServicePort::default()
            }]),
            ..ServiceSpec::default()
        }),
        ..Service::default()
    };
    Document::new(&service)
        .in_namespace()
        .bind("/metadata/name", helpers::fullname_with(SUFFIX))
        .splice(
            "/metadata/annotations",
            v!(Values, metrics.service.annotations),
        )
        .splice("/spec/selector", helpers::selector_labels())
        .bind("/spec/ports/0/port", v!(Values, metrics.port))
        .document_when(v!(Values, metrics.service.enabled))
}

pub(super) fn service_monitor() -> Document {
    let monitor = json!({
        "apiVersion": API,
        "kind": "ServiceMonitor",
        "metadata": metadata::namespaced(),
        "spec": {
            "selector": {"matchLabels": {}},
            "endpoints": [{"port": PORT, "path": "/metrics", "interval": "30s"}],
        },
    });
    Document::new(&monitor)
        .in_namespace()
        .bind("/metadata/name", helpers::fullname())
        .splice(
            "/metadata/labels",
            v!(Values, metrics.service_monitor.labels),
        )
        .splice("/spec/selector/matchLabels", helpers::selector_labels())
        .bind(
            "/spec/endpoints/0/interval",
            v!(Values, metrics.service_monitor.interval),
        )
        .document_when(v!(Values, metrics.service_monitor.enabled))
}

pub(super) fn prometheus_rule() -> Document {
    let rule = json!({
        "apiVersion": API,
        "kind": "PrometheusRule",
        "metadata": metadata::namespaced(),
        "spec": {"groups": [{"name": "fleet-operator", "rules": alerts()}]},
    });
    let stale = Expr::concat([
        Expr::text("100 * sum(fleet_devices_stale) / sum(fleet_devices) > "),
        v!(Values, metrics.prometheus_rule.stale_devices_percent).into(),
    ]);
    Document::new(&rule)
        .in_namespace()
        .bind("/metadata/name", helpers::fullname())
        .splice(
            "/metadata/labels",
            v!(Values, metrics.prometheus_rule.labels),
        )
        .bind("/spec/groups/0/rules/[alert=FleetDevicesStale]/expr", stale)
        .document_when(v!(Values, metrics.prometheus_rule.enabled))
}

/// One alert for each thing that a person has to look at. The names of metrics are those of
/// `operator/src/metrics.rs`.
fn alerts() -> Vec<Value> {
    vec![
        alert(
            "FleetOperatorWithoutLeader",
            "absent(fleet_operator_leader == 1)",
            ("5m", "critical"),
            "No replica of the operator leads: changes do not reach devices. Devices keep running \
             what they run.",
        ),
        alert(
            "FleetInvariantViolated",
            "max(fleet_invariant_violations) > 0",
            ("1m", "critical"),
            "The counts of {{ $value }} Deployments do not add up. That is a defect: please report \
             it with the operator's log.",
        ),
        alert(
            "FleetDevicesStale",
            "",
            ("10m", "warning"),
            "{{ $value | printf \"%.0f\" }} % of all devices have not been heard of. A network or \
             NATS may be down.",
        ),
        alert(
            "FleetDevicesRefuse",
            "sum by (reason) (increase(fleet_device_refusals_total[15m])) > 0",
            ("0m", "critical"),
            "Devices refuse what they are told, for the reason {{ $labels.reason }}. If nobody \
             changes signing keys just now, somebody may be tampering with the bus.",
        ),
        alert(
            "FleetOperatorWritesFail",
            "sum by (kind) (rate(fleet_operator_writes_total{outcome!=\"Written\"}[10m])) > 0.1",
            ("10m", "warning"),
            "Writes of the kind {{ $labels.kind }} keep failing. The operator's log says why.",
        ),
        alert(
            "FleetOperatorLags",
            "max by (kind) (fleet_operator_queue_depth) > 1000",
            ("10m", "warning"),
            "{{ $value }} writes of the kind {{ $labels.kind }} wait: the operator cannot keep up \
             with the API server or NATS.",
        ),
    ]
}

fn alert(name: &str, expr: &str, (lasts, severity): (&str, &str), text: &str) -> Value {
    json!({
        "alert": name,
        "expr": expr,
        "for": lasts,
        "labels": {"severity": severity},
        "annotations": {"summary": text},
    })
}
