//! Logins and enrolments at a glance. The names of metrics are those of `auth/src/metrics.rs` and
//! `auth/src/enrol/metrics.rs`; a test of `e2e/` holds them together.

use chartgen::Document;

use super::labelling;
use super::values::Values;
use crate::workload::Program;
use crate::workload::dashboard::{Dashboard, Limit, Panel, Query, Row, Show, Unit, dashboard_refs};

/// It is of both programs.
const PROGRAM: Program = Program::component("dashboard");

pub(super) fn config_map() -> Document {
    let refs = dashboard_refs!(Values);
    DASHBOARD.config_map(&labelling(PROGRAM), PROGRAM.fullname(), refs)
}

pub(super) const DASHBOARD: Dashboard = Dashboard {
    uid: "fleet-auth",
    title: "Fleet: logins and enrolment",
    about: "Who logs in to the bus and who is refused, and how devices join.",
    rows: &[
        Row {
            title: "Now",
            panels: NOW,
        },
        Row {
            title: "Logins",
            panels: LOGINS,
        },
        Row {
            title: "What logins are judged by",
            panels: SOURCES,
        },
        Row {
            title: "Enrolment",
            panels: ENROLMENT,
        },
        Row {
            title: "Programs",
            panels: PROGRAMS,
        },
    ],
};

const fn one(expr: &'static str, legend: &'static str) -> Query {
    Query { expr, legend }
}

const NOW: &[Panel] = &[
    Panel {
        title: "Connected to the bus",
        about: "Replicas of the callout with a connection to NATS. Without one no device can log in.",
        show: Show::Number(Limit::Below(1)),
        unit: Unit::Count,
        width: 6,
        queries: &[one("sum(fleet_auth_bus_connected)", "connected")],
    },
    Panel {
        title: "Age of the provider's keys",
        about: "Seconds since the identity provider's keys were read. A day after they were read last, no \
                device can log in.",
        show: Show::Number(Limit::From(3600)),
        unit: Unit::Seconds,
        width: 6,
        queries: &[one("max(fleet_auth_jwks_age_seconds)", "age")],
    },
    Panel {
        title: "Requests worked on",
        about: "Logins that wait for their verdict.",
        show: Show::Number(Limit::None),
        unit: Unit::Count,
        width: 6,
        queries: &[one("sum(fleet_auth_requests_in_flight)", "requests")],
    },
    Panel {
        title: "Identities in two places",
        about: "In the last day. The callout's audit log names the device; whoever copied its key acts as \
                it.",
        show: Show::Number(Limit::From(1)),
        unit: Unit::Count,
        width: 6,
        queries: &[one(
            "sum(increase(fleet_auth_clones_total[1d])) or vector(0)",
            "clones",
        )],
    },
];

const LOGINS: &[Panel] = &[
    Panel {
        title: "Logins by verdict",
        about: "Let in, and not.",
        show: Show::Stack,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[
            one(
                "sum(rate(fleet_auth_verdicts_total{reason=\"Admitted\"}[5m]))",
                "let in",
            ),
            one(
                "sum(rate(fleet_auth_verdicts_total{reason!=\"Admitted\"}[5m]))",
                "refused",
            ),
        ],
    },
    Panel {
        title: "Refusals by reason",
        about: "docs/troubleshooting.md says what each means and what to do.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (reason) (rate(fleet_auth_verdicts_total{reason!=\"Admitted\"}[5m]))",
            "{{reason}}",
        )],
    },
    Panel {
        title: "Time to a verdict",
        about: "After five seconds the bus gives up. More replicas of the callout help.",
        show: Show::Lines,
        unit: Unit::Seconds,
        width: 8,
        queries: &[
            one(
                "histogram_quantile(0.5, sum by (le) (rate(fleet_auth_verdict_seconds_bucket[5m])))",
                "half of them",
            ),
            one(
                "histogram_quantile(0.99, sum by (le) (rate(fleet_auth_verdict_seconds_bucket[5m])))",
                "99 of 100",
            ),
        ],
    },
    Panel {
        title: "Tokens that are known",
        about: "Tokens that were verified before need no signature to be checked.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (outcome) (rate(fleet_auth_token_cache_total[5m]))",
            "{{outcome}}",
        )],
    },
    Panel {
        title: "Connections closed",
        about: "Of devices that were denied, and of those that came back on another connection.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (reason) (rate(fleet_auth_connections_closed_total[5m]))",
            "{{reason}}",
        )],
    },
    Panel {
        title: "Tokens kept",
        about: "Verified tokens in memory, of all replicas.",
        show: Show::Lines,
        unit: Unit::Count,
        width: 8,
        queries: &[one("sum(fleet_auth_kept_tokens)", "tokens")],
    },
];

const SOURCES: &[Panel] = &[
    Panel {
        title: "Readings of the provider's keys",
        about: "By outcome; anything but ok is a provider that is away or answers wrongly.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (outcome) (rate(fleet_auth_jwks_reads_total[5m]))",
            "{{outcome}}",
        )],
    },
    Panel {
        title: "Readings of policies",
        about: "From OpenBao, by outcome. Stale: it did not answer, and what was read last counts.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (outcome) (rate(fleet_auth_policy_reads_total[5m]))",
            "{{outcome}}",
        )],
    },
    Panel {
        title: "Readings of denials",
        about: "From OpenBao, by outcome. While they fail, a device that is denied keeps its connection.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 8,
        queries: &[one(
            "sum by (outcome) (rate(fleet_auth_denial_reads_total[5m]))",
            "{{outcome}}",
        )],
    },
];

const ENROLMENT: &[Panel] = &[
    Panel {
        title: "Calls of devices",
        about: "By how they were answered: a state, or the reason of a refusal.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 12,
        queries: &[one(
            "sum by (reason) (rate(fleet_enrol_calls_total[5m]))",
            "{{reason}}",
        )],
    },
    Panel {
        title: "Looks at enrolments",
        about: "By the reason of their condition Ready afterwards. What ends in Failed keeps approved devices \
                from joining.",
        show: Show::Lines,
        unit: Unit::PerSecond,
        width: 12,
        queries: &[one(
            "sum by (reason) (rate(fleet_enrol_reconciled_total[5m]))",
            "{{reason}}",
        )],
    },
];

const PROGRAMS: &[Panel] = &[
    Panel {
        title: "Memory",
        about: "Of each replica.",
        show: Show::Lines,
        unit: Unit::Bytes,
        width: 12,
        queries: &[one(
            "process_resident_memory_bytes * on (job, instance) group_left (program) fleet_build_info{program=~\"callout|enrolment\"}",
            "{{program}} {{instance}}",
        )],
    },
    Panel {
        title: "Processor",
        about: "Processors that each replica uses.",
        show: Show::Lines,
        unit: Unit::Count,
        width: 12,
        queries: &[one(
            "rate(process_cpu_seconds_total[5m]) * on (job, instance) group_left (program) fleet_build_info{program=~\"callout|enrolment\"}",
            "{{program}} {{instance}}",
        )],
    },
];
