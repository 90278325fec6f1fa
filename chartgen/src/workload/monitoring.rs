//! Metrics: the Service, and what the Prometheus operator is told.

use std::collections::BTreeMap;

use chartgen::{Document, ValueRef};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::metadata::{self, Labelling};
use super::pod::PORT;

const API: &str = "monitoring.coreos.com/v1";
/// What the name of the metrics' Service ends in.
const SUFFIX: &str = "metrics";

/// Where in the values monitoring is.
#[derive(Debug, Clone)]
pub(crate) struct MetricsRefs<V> {
    pub(crate) port: ValueRef<V>,
    pub(crate) service: ValueRef<V>,
    pub(crate) service_annotations: ValueRef<V>,
    pub(crate) monitor: ValueRef<V>,
    pub(crate) monitor_labels: ValueRef<V>,
    pub(crate) interval: ValueRef<V>,
}

/// The settings of metrics, at the top of the values.
macro_rules! metrics_refs {
    ($values:ty) => {
        $crate::workload::MetricsRefs {
            port: chartgen::v!($values, metrics.port),
            service: chartgen::v!($values, metrics.service.enabled),
            service_annotations: chartgen::v!($values, metrics.service.annotations),
            monitor: chartgen::v!($values, metrics.service_monitor.enabled),
            monitor_labels: chartgen::v!($values, metrics.service_monitor.labels),
            interval: chartgen::v!($values, metrics.service_monitor.interval),
        }
    };
}
pub(crate) use metrics_refs;

/// The Service of the metrics.
pub(crate) fn service<V>(labelling: &Labelling, refs: &MetricsRefs<V>) -> Document {
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
    let program = labelling.program;
    labelling
        .in_namespace(Document::new(&service))
        .bind("/metadata/name", program.fullname_with(SUFFIX))
        .splice("/metadata/annotations", refs.service_annotations.clone())
        .splice("/spec/selector", program.selector_labels())
        .bind("/spec/ports/0/port", refs.port.clone())
        .document_when(refs.service.clone())
}

/// What the Prometheus operator shall scrape.
pub(crate) fn service_monitor<V>(labelling: &Labelling, refs: &MetricsRefs<V>) -> Document {
    let monitor = json!({
        "apiVersion": API,
        "kind": "ServiceMonitor",
        "metadata": metadata::namespaced(),
        "spec": {
            "selector": {"matchLabels": {}},
            "endpoints": [{"port": PORT, "path": "/metrics", "interval": "30s"}],
        },
    });
    let program = labelling.program;
    labelling
        .in_namespace(Document::new(&monitor))
        .bind("/metadata/name", program.fullname())
        .splice("/metadata/labels", refs.monitor_labels.clone())
        .splice("/spec/selector/matchLabels", program.selector_labels())
        .bind("/spec/endpoints/0/interval", refs.interval.clone())
        .document_when(refs.monitor.clone())
}

/// Where in the values alerts are.
#[derive(Debug, Clone)]
pub(crate) struct AlertRefs<V> {
    pub(crate) enabled: ValueRef<V>,
    pub(crate) labels: ValueRef<V>,
}

/// A group of alerts.
pub(crate) fn prometheus_rule<V>(
    labelling: &Labelling,
    group: &str,
    alerts: &[Alert],
    refs: AlertRefs<V>,
) -> Document {
    let rules: Vec<_> = alerts.iter().map(Alert::rule).collect();
    let rule = json!({
        "apiVersion": API,
        "kind": "PrometheusRule",
        "metadata": metadata::namespaced(),
        "spec": {"groups": [{"name": group, "rules": rules}]},
    });
    labelling
        .in_namespace(Document::new(&rule))
        .bind("/metadata/name", labelling.program.fullname())
        .splice("/metadata/labels", refs.labels)
        .document_when(refs.enabled)
}

/// Something that a person has to look at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Alert {
    /// The name.
    pub(crate) name: &'static str,
    /// When it is so, in `PromQL`.
    pub(crate) expr: &'static str,
    /// For how long it has to be.
    pub(crate) lasts: &'static str,
    /// `critical` or `warning`.
    pub(crate) severity: &'static str,
    /// What has happened, and what to do.
    pub(crate) text: &'static str,
}

impl Alert {
    fn rule(&self) -> Value {
        json!({
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasts,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.text},
        })
    }
}
