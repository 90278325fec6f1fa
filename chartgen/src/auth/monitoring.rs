//! Metrics: the Services, and what the Prometheus operator is told.

use chartgen::{Document, v};

use super::values::Values;
use super::{CALLOUT, ENROLMENT, labelling};
use crate::workload::monitoring::{self, Alert, AlertRefs, metrics_refs};

pub(super) fn services() -> [Document; 2] {
    let refs = metrics_refs!(Values);
    [
        monitoring::service(&labelling(CALLOUT), &refs).document_when(v!(Values, callout.enabled)),
        monitoring::service(&labelling(ENROLMENT), &refs)
            .document_when(v!(Values, enrolment.enabled)),
    ]
}

pub(super) fn service_monitors() -> [Document; 2] {
    let refs = metrics_refs!(Values);
    [
        monitoring::service_monitor(&labelling(CALLOUT), &refs)
            .document_when(v!(Values, callout.enabled)),
        monitoring::service_monitor(&labelling(ENROLMENT), &refs)
            .document_when(v!(Values, enrolment.enabled)),
    ]
}

pub(super) fn prometheus_rules() -> [Document; 2] {
    let refs = || AlertRefs {
        enabled: v!(Values, metrics.prometheus_rule.enabled),
        labels: v!(Values, metrics.prometheus_rule.labels),
    };
    [
        monitoring::prometheus_rule(&labelling(CALLOUT), "fleet-callout", CALLOUT_ALERTS, refs())
            .document_when(v!(Values, callout.enabled)),
        monitoring::prometheus_rule(
            &labelling(ENROLMENT),
            "fleet-enrolment",
            ENROLMENT_ALERTS,
            refs(),
        )
        .document_when(v!(Values, enrolment.enabled)),
    ]
}

/// One alert for each thing that a person has to look at. The names of metrics are those of
/// `auth/src/metrics.rs`.
const CALLOUT_ALERTS: &[Alert] = &[
    Alert {
        name: "FleetCalloutAbsent",
        expr: "absent(fleet_auth_requests_in_flight)",
        lasts: "5m",
        severity: "critical",
        text: "No auth callout runs: no device can log in. Devices that are connected stay until their \
               login ends.",
    },
    Alert {
        name: "FleetCalloutFails",
        // What is wrong with a token is the device's; these are ours.
        expr: "sum by (reason) (rate(fleet_auth_verdicts_total{reason=~\"KeysUnavailable|PolicyUnavailable|RequestForeign|RequestMalformed|RequestUnsealed\"}[5m])) > 0",
        lasts: "5m",
        severity: "critical",
        text: "Logins fail for the reason {{ $labels.reason }}, whatever token they come with: the identity \
               provider or OpenBao is away, or the bus and the callout have different keys.",
    },
    Alert {
        name: "FleetCalloutSlow",
        expr: "histogram_quantile(0.99, sum by (le) (rate(fleet_auth_verdict_seconds_bucket[5m]))) > 1",
        lasts: "10m",
        severity: "warning",
        text: "One login in a hundred takes longer than {{ $value | printf \"%.1f\" }} s to be \
               answered. More replicas of the callout help.",
    },
    Alert {
        name: "FleetCalloutKeysStale",
        expr: "max(fleet_auth_jwks_age_seconds) > 3600",
        lasts: "5m",
        severity: "warning",
        text: "The identity provider's keys have not been read for {{ $value | humanizeDuration }}. A \
               day after they were read last, no device can log in.",
    },
    Alert {
        name: "FleetCalloutPoliciesStale",
        expr: "sum(rate(fleet_auth_policy_reads_total{outcome=\"stale\"}[10m])) > 0",
        lasts: "10m",
        severity: "warning",
        text: "OpenBao does not say what was decided about devices: sealed, or away. New devices cannot \
               log in.",
    },
    Alert {
        name: "FleetDeviceCloned",
        expr: "sum(increase(fleet_auth_clones_total[15m])) > 0",
        lasts: "0m",
        severity: "critical",
        text: "One identity is in two places. The callout's audit log names the device; whoever copied \
               its key acts as it.",
    },
];

/// The same for `auth/src/enrol/metrics.rs`.
const ENROLMENT_ALERTS: &[Alert] = &[Alert {
    name: "FleetEnrolmentsStuck",
    expr: "sum by (reason) (rate(fleet_enrol_reconciled_total{reason=~\".*Failed\"}[10m])) > 0",
    lasts: "15m",
    severity: "warning",
    text: "Approved devices cannot join, for the reason {{ $labels.reason }}. The condition Ready of \
           their enrolments says more.",
}];
