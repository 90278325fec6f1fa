//! Metrics: the Service, and what the Prometheus operator is told.

use chartgen::{Document, Expr, v};

use super::PROGRAM;
use super::metadata::labelling;
use super::values::Values;
use crate::workload::monitoring::{self, Alert, AlertRefs, metrics_refs};
use fleet_api::trace::PORT;

pub(super) fn service() -> Document {
    monitoring::service(&labelling(), &metrics_refs!(Values))
}

/// The Service's port, as the right to reach it through the API server names it.
pub(super) fn proxied() -> Expr {
    let service = PROGRAM.fullname_with("metrics");
    let port = Expr::text(format!(":{PORT}"));
    Expr::concat([Expr::text("http:"), service, port])
}

pub(super) fn service_monitor() -> Document {
    monitoring::service_monitor(&labelling(), &metrics_refs!(Values))
}

pub(super) fn prometheus_rule() -> Document {
    let stale = Expr::concat([
        Expr::text("100 * sum(fleet_devices_stale) / sum(fleet_devices) > "),
        v!(Values, metrics.prometheus_rule.stale_devices_percent).into(),
    ]);
    let refs = AlertRefs {
        enabled: v!(Values, metrics.prometheus_rule.enabled),
        labels: v!(Values, metrics.prometheus_rule.labels),
    };
    monitoring::prometheus_rule(&labelling(), "fleet-operator", ALERTS, refs)
        .bind("/spec/groups/0/rules/[alert=FleetDevicesStale]/expr", stale)
}

/// One alert for each thing that a person has to look at. The names of metrics are those of
/// `operator/src/metrics.rs`.
const ALERTS: &[Alert] = &[
    Alert {
        name: "FleetOperatorWithoutLeader",
        expr: "absent(fleet_operator_leader == 1)",
        lasts: "5m",
        severity: "critical",
        text: "No replica of the operator leads: changes do not reach devices. Devices keep running \
               what they run.",
    },
    Alert {
        name: "FleetOperatorWithoutBus",
        expr: "max(fleet_operator_bus_connected) < 1",
        lasts: "5m",
        severity: "critical",
        text: "No replica of the operator is connected to NATS: changes do not reach devices, and what \
               devices say is not seen.",
    },
    Alert {
        name: "FleetInvariantViolated",
        expr: "max(fleet_invariant_violations) > 0",
        lasts: "1m",
        severity: "critical",
        text: "The counts of {{ $value }} Deployments do not add up. That is a defect: please report \
               it with the operator's log.",
    },
    Alert {
        name: "FleetDevicesStale",
        // What share is worth it stands in the values.
        expr: "",
        lasts: "10m",
        severity: "warning",
        text: "{{ $value | printf \"%.0f\" }} % of all devices have not been heard of. A network or \
               NATS may be down.",
    },
    Alert {
        name: "FleetDevicesRefuse",
        expr: "sum by (reason) (increase(fleet_device_refusals_total[15m])) > 0",
        lasts: "0m",
        severity: "critical",
        text: "Devices refuse what they are told, for the reason {{ $labels.reason }}. If nobody \
               changes signing keys just now, somebody may be tampering with the bus.",
    },
    Alert {
        name: "FleetOperatorWritesFail",
        expr: "sum by (kind) (rate(fleet_operator_writes_total{outcome!=\"Written\"}[10m])) > 0.1",
        lasts: "10m",
        severity: "warning",
        text: "Writes of the kind {{ $labels.kind }} keep failing. The operator's log says why.",
    },
    Alert {
        name: "FleetPropagationSlow",
        // Only while a change is under way: without one there is nothing to be slow.
        expr: "histogram_quantile(0.99, sum by (le) \
               (rate(fleet_propagation_seconds_bucket{stage=\"reported\"}[10m]))) > 30",
        lasts: "10m",
        severity: "warning",
        text: "One report in a hundred on a change comes later than {{ $value | printf \"%.0f\" }} \
               seconds after it, from devices that are heard. `fleet trace` says where one waits.",
    },
    Alert {
        name: "FleetOperatorLags",
        expr: "max by (kind) (fleet_operator_queue_depth) > 1000",
        lasts: "10m",
        severity: "warning",
        text: "{{ $value }} writes of the kind {{ $labels.kind }} wait: the operator cannot keep up \
               with the API server or NATS.",
    },
];
