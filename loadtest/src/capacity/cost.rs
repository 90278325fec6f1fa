//! What costs something, where a run says how much, and when it is too much.

use crate::report::{Connections, Report, Scenario};

/// Something that grows with the fleet.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// What, and in which unit.
    pub name: &'static str,
    /// The runs that say how much.
    pub scenario: Scenario,
    /// How devices are connected in them.
    pub connections: Connections,
    /// How much, if this run says so.
    pub read: fn(&Report) -> Option<f64>,
    /// The most of it.
    pub limit: Option<Limit>,
}

/// The most of something.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// How much.
    pub at: f64,
    /// Why not more.
    pub why: &'static str,
}

/// One core: the operator decides under one lock.
const ONE_LOCK: Limit = Limit {
    at: 1.0,
    why: "the operator decides under one lock, so one core",
};
const CHART: Limit = Limit {
    at: 1_024.0,
    why: "the chart's memory limit of the operator",
};
const QUOTA: Limit = Limit {
    at: 8_192.0,
    why: "the largest database that etcd advises",
};
const START: Limit = Limit {
    at: 30.0,
    why: "the goal for a start on a full fleet",
};
const SECOND: Limit = Limit {
    at: 1.0,
    why: "the goal for a change, everything on this one machine",
};

const fn idle(name: &'static str, read: fn(&Report) -> Option<f64>, limit: Option<Limit>) -> Cost {
    Cost {
        name,
        scenario: Scenario::Idle,
        connections: Connections::Multiplexed,
        read,
        limit,
    }
}

/// All of them, in the order of the page.
pub const COSTS: [Cost; 17] = [
    idle(
        "operator: memory, MiB",
        |r| memory(r, "operator"),
        Some(CHART),
    ),
    idle(
        "operator: processor, idle fleet, cores",
        |r| cores(r, "operator"),
        Some(ONE_LOCK),
    ),
    idle("NATS: memory, MiB", |r| memory(r, "nats"), None),
    idle(
        "NATS: processor, idle fleet, cores",
        |r| cores(r, "nats"),
        None,
    ),
    idle("NATS: disk, MiB", |r| figure(r, "nats_disk_mib"), None),
    idle("API server: memory, MiB", |r| memory(r, "api-server"), None),
    idle(
        "API server: processor, idle fleet, cores",
        |r| cores(r, "api_server"),
        None,
    ),
    idle("etcd: memory, MiB", |r| memory(r, "etcd"), None),
    idle(
        "etcd: database, MiB",
        |r| figure(r, "etcd_database_mib"),
        Some(QUOTA),
    ),
    idle("a device: bytes each day, idle", day, None),
    idle(
        "setting up: seconds until all are registered",
        |r| figure(r, "registered_seconds"),
        None,
    ),
    Cost {
        connections: Connections::Each,
        ..idle(
            "NATS: memory with a connection for each device, MiB",
            |r| memory(r, "nats"),
            None,
        )
    },
    Cost {
        connections: Connections::Each,
        ..idle(
            "a device: bytes each day, idle, on its own connection",
            day,
            None,
        )
    },
    cold(
        "operator: seconds until a start is ready",
        |r| figure(r, "ready_seconds"),
        Some(START),
    ),
    cold(
        "operator: seconds until a start has all statuses right",
        |r| figure(r, "statuses_right_seconds"),
        Some(START),
    ),
    cold(
        "operator: processor seconds of a start",
        |r| figure(r, "operator_cpu_seconds"),
        None,
    ),
    Cost {
        scenario: Scenario::Fanout,
        ..idle(
            "a change for every device: seconds, p99",
            |r| Some(r.latencies.get("change-applied")?.p99_ms / 1e3),
            Some(SECOND),
        )
    },
];

const fn cold(name: &'static str, read: fn(&Report) -> Option<f64>, limit: Option<Limit>) -> Cost {
    Cost {
        scenario: Scenario::Cold,
        ..idle(name, read, limit)
    }
}

fn figure(report: &Report, name: &str) -> Option<f64> {
    report.figures.get(name).copied()
}

fn memory(report: &Report, process: &str) -> Option<f64> {
    let usages = report.processes.get(process)?.iter();
    usages.map(|usage| usage.rss_mib).max_by(f64::total_cmp)
}

fn cores(report: &Report, process: &str) -> Option<f64> {
    Some(figure(report, &format!("{process}_cpu_percent"))? / 100.0)
}

fn day(report: &Report) -> Option<f64> {
    Some(figure(report, "device_day_sent_bytes")? + figure(report, "device_day_received_bytes")?)
}
