//! What the people who run a fleet look at first. The names of metrics are those of
//! `operator/src/metrics.rs`; a test of `e2e/` holds the two together.

use chartgen::Document;

use super::PROGRAM;
use super::metadata::labelling;
use super::values::Values;
use crate::workload::dashboard::{Dashboard, Limit, Panel, Query, Row, Show, Unit, dashboard_refs};

pub(super) fn config_map() -> Document {
    let name = PROGRAM.fullname_with("dashboard");
    DASHBOARD.config_map(&labelling(), name, dashboard_refs!(Values))
}

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "fleet-operator",
    title: "Fleet",
    about: "Devices, Deployments, and whether what was changed arrives.",
    rows: &[
        Row {
            title: "Now",
            panels: NOW,
        },
        Row {
            title: "Devices and Deployments",
            panels: FLEET,
        },
        Row {
            title: "From change to device",
            panels: CHANGES,
        },
        Row {
            title: "Operator",
            panels: OPERATOR,
        },
    ],
};

const fn one(expr: &'static str, legend: &'static str) -> Query {
    Query { expr, legend }
}

// Every replica counts everything; the largest count is that of one which has read all there is.
const NOW: &[Panel] = &[
    Panel {
        title: "Devices",
        about: "Devices with an object.",
        show: Show::Number(Limit::None),
        unit: Unit::Count,
        width: 4,
        queries: &[one("max(fleet_devices)", "devices")],
    },
    Panel {
        title: "Stale",
        about: "The share of devices that are not heard any more. A network or the bus may be down.",
        show: Show::Number(Limit::None),
        unit: Unit::Share,
        width: 4,
        queries: &[one(
            "max(fleet_devices_stale) / (max(fleet_devices) > 0) or vector(0)",
            "stale",
        )],
    },
    Panel {
        title: "Deployments stalled",
        about: "Refused, or failed on a device while no other still has to report. Their conditions say why.",
        show: Show::Number(Limit::From(1)),
        unit: Unit::Count,
        width: 4,
        queries: &[one(
            "max(fleet_deployments_by_state{state=\"stalled\"})",
            "stalled",
        )],
    },
    Panel {
        title: "Invariants broken",
        about: "Deployments whose counts do not add up. Other than 0 is a defect: please report it.",
        show: Show::Number(Limit::From(1)),
        unit: Unit::Count,
        width: 4,
        queries: &[one("max(fleet_invariant_violations)", "violations")],
    },
    Panel {
        title: "Leading",
        about: "Replicas that lead and write. Without one, changes do not reach devices.",
        show: Show::Number(Limit::Below(1)),
        unit: Unit::Count,
        width: 4,
        queries: &[one("sum(fleet_operator_leader)", "leaders")],
    },
    Panel {
        title: "Connected to the bus",
        about: "Replicas of the operator with a connection to NATS.",
        show: Show::Number(Limit::Below(1)),
        unit: Unit::Count,
        width: 4,
        queries: &[one("sum(fleet_operator_bus_connected)", "connected")],
    },
];

const FLEET: &[Panel] = &[
    Panel {
        title: "Devices",
        about: "Heard, and not heard any more.",
        show: Show::Stack,
        unit: Unit::Count,
        width: 8,
        queries: &[
            one("max(fleet_devices) - max(fleet_devices_stale)", "reachable"),
            one("max(fleet_devices_stale)", "stale"),
        ],
    },
    Panel {
        title: "Deployments by state",
        about: "Ready: all devices run it. Progressing: devices still have to report. Stalled: nothing more \
                comes by itself.",
        show: Show::Stack,
        unit: Unit::Count,
        width: 8,
        queries: &[one(
            "max by (state) (fleet_deployments_by_state)",
            "{{state}}",
        )],
    },
    Panel {
        title: "What devices say of Deployments",
        about: "Pairs of Deployment and device, by what the device reported.",
        show: Show::Stack,
        unit: Unit::Count,
        width: 8,
        queries: &[one("max by (class) (fleet_assignments)", "{{class}}")],
    },
];

const CHANGES: &[Panel] = &[
    Panel {
        title: "Time from change to applied",
        about: "How long Deployments were not ready: from a change of them, or of what their selector \
                matches, until every device had applied it. In whole seconds; what takes less is not \
                seen.",
        show: Show::Lines,
        unit: Unit::Seconds,
        width: 8,
        queries: &[
            one(
                "histogram_quantile(0.5, sum by (le) (rate(fleet_deployment_unready_seconds_bucket[30m])))",
                "half of them",
            ),
            one(
                "histogram_quantile(0.95, sum by (le) (rate(fleet_deployment_unready_seconds_bucket[30m])))",
                "19 of 20",
            ),
        ],
    },
    Panel {
        title: "Change to device, by stage",
        about: "From the operator's hearing of a change until 99 of 100 devices that are heard have passed a \
                stage: the manifest is written, the device has reported on it, it runs it.",
        show: Show::Lines,
        unit: Unit::Seconds,
        width: 8,
        queries: &[one(
            "histogram_quantile(0.99, sum by (le, stage) (rate(fleet_propagation_seconds_bucket[10m])))",
            "{{stage}}",
        )],
    },
    Panel {
        title: "Reconcile lag",
        about: "Writes that wait or are under way. A queue that stays long means that the API server or the \
                bus is slower than the changes.",
        show: Show::Lines,
        unit: Unit::Count,
        width: 8,
        queries: &[one(
            "max by (kind) (fleet_operator_queue_depth)",
            "{{kind}}",
        )],
    },
    Panel {
        title: "Manifests refused by devices",
        about: "Any of it needs a look: a device refuses what it is told.",
        show: Show::Lines,
        unit: Unit::Count,
        width: 8,
        queries: &[one(
            "sum by (reason) (increase(fleet_device_refusals_total[15m]))",
            "{{reason}}",
        )],
    },
    Panel {
        title: "Writes",
        about: "To the API server and the bus, by what is written.",
        show: Show::Stack,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (kind) (rate(fleet_operator_writes_total{outcome=\"Written\"}[5m]))",
            "{{kind}}",
        )],
    },
    Panel {
        title: "Writes that fail",
        about: "They are tried again. The operator's log says why.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (kind, outcome) (rate(fleet_operator_writes_total{outcome!=\"Written\"}[5m]))",
            "{{kind}} {{outcome}}",
        )],
    },
    Panel {
        title: "Payloads and objects refused",
        about: "What somebody wrote that cannot be understood, by bucket and reason.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (bucket, reason) (rate(fleet_rejected_payloads_total[5m]))",
            "{{bucket}} {{reason}}",
        )],
    },
];

const OPERATOR: &[Panel] = &[
    Panel {
        title: "Memory",
        about: "Of each replica. It grows with devices and Deployments.",
        show: Show::Lines,
        unit: Unit::Bytes,
        width: 8,
        queries: &[one(
            "process_resident_memory_bytes and on (job, instance) fleet_build_info{program=\"operator\"}",
            "{{instance}}",
        )],
    },
    Panel {
        title: "Processor",
        about: "Processors that each replica uses.",
        show: Show::Lines,
        unit: Unit::Count,
        width: 8,
        queries: &[one(
            "rate(process_cpu_seconds_total[5m]) and on (job, instance) fleet_build_info{program=\"operator\"}",
            "{{instance}}",
        )],
    },
    Panel {
        title: "Events taken in",
        about: "Of all watches: objects, reports, heartbeats.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (instance) (rate(fleet_operator_events_total[5m]))",
            "{{instance}}",
        )],
    },
];
