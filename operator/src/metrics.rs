//! Metrics, under fixed names and without a label for any object.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use fleet_contracts::RefusalReason;
use fleet_operator_core::index::{Stage, Stats};
use fleet_service::exposition;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Rejection {
    bucket: &'static str,
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Write {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct QueueOf {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageOf {
    stage: &'static str,
}

/// Seconds; a change reaches a device that is heard within one, and an image takes minutes to pull.
const PROPAGATION: [f64; 15] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
];

/// Seconds; conditions have whole ones, and some devices are switched on once a day.
const UNREADY: [f64; 11] = [
    1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3_600.0, 21_600.0, 86_400.0,
];

/// All metrics; cheap to use from every task.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    rejected: Family<Rejection, Counter>,
    refusals: Family<Reason, Counter>,
    writes: Family<Write, Counter>,
    reports: Family<Class, Gauge>,
    queued: Family<QueueOf, Gauge>,
    devices: Gauge,
    stale: Gauge,
    deployments: Gauge,
    states: Family<State, Gauge>,
    unready: Histogram,
    propagation: Family<StageOf, Histogram, fn() -> Histogram>,
    refused: Gauge,
    connected: Gauge,
    held_reports: Gauge,
    leader: Gauge,
    violations: Gauge<i64, std::sync::atomic::AtomicI64>,
    events: Counter<u64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("fleet"),
            rejected: Family::default(),
            refusals: Family::default(),
            writes: Family::default(),
            reports: Family::default(),
            queued: Family::default(),
            devices: Gauge::default(),
            stale: Gauge::default(),
            deployments: Gauge::default(),
            states: Family::default(),
            unready: Histogram::new(UNREADY),
            propagation: Family::new_with_constructor(|| Histogram::new(PROPAGATION)),
            refused: Gauge::default(),
            connected: Gauge::default(),
            held_reports: Gauge::default(),
            leader: Gauge::default(),
            violations: Gauge::default(),
            events: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        let about = "Payloads and objects that were refused, by bucket and reason";
        r.register("rejected_payloads", about, self.rejected.clone());
        let about = "Manifests and ledgers that devices refused, by reason; any of it needs a look";
        r.register("device_refusals", about, self.refusals.clone());
        let about = "Writes by kind and outcome";
        r.register("operator_writes", about, self.writes.clone());
        let about = "Pairs of Deployment and device, by what the device reported";
        r.register("assignments", about, self.reports.clone());
        let about = "Writes that wait or are under way, by kind";
        r.register("operator_queue_depth", about, self.queued.clone());
        r.register("devices", "Devices", self.devices.clone());
        let about = "Devices whose heartbeats stopped";
        r.register("devices_stale", about, self.stale.clone());
        r.register("deployments", "Deployments", self.deployments.clone());
        let about = "Deployments whose spec is refused";
        r.register("deployments_refused", about, self.refused.clone());
        let about = "Deployments by what they are: ready, progressing or stalled";
        r.register("deployments_by_state", about, self.states.clone());
        let about = "How long Deployments were not ready: from a change of them, or of what their \
                     selector matches, until every device had applied it";
        r.register("deployment_unready_seconds", about, self.unready.clone());
        let about = "From the operator's hearing of a change of a Deployment until a device that is \
                     heard has passed a stage: its manifest is written, it has reported on it, it runs it";
        r.register("propagation_seconds", about, self.propagation.clone());
        // A rate of what begins with its first observation misses that one, and so would alerts.
        for reason in RefusalReason::ALL {
            let reason = reason.as_str();
            let _ = self.refusals.get_or_create(&Reason { reason });
        }
        for stage in Stage::ALL.map(Stage::as_str) {
            let _ = self.propagation.get_or_create(&StageOf { stage });
        }
        let about = "1 while the bus is connected";
        r.register("operator_bus_connected", about, self.connected.clone());
        let about = "Reports held, expected or not";
        r.register("reports", about, self.held_reports.clone());
        let about = "1 while this replica leads and writes";
        r.register("operator_leader", about, self.leader.clone());
        let about = "Deployments whose counts do not add up; always 0";
        r.register("invariant_violations", about, self.violations.clone());
        let about = "Events of all watches";
        r.register("operator_events", about, self.events.clone());
    }

    /// Something was refused.
    pub fn rejected(&self, bucket: &'static str, reason: &'static str) {
        self.rejected
            .get_or_create(&Rejection { bucket, reason })
            .inc();
    }

    /// A device refused its manifest.
    pub fn refusal(&self, reason: &'static str) {
        self.refusals.get_or_create(&Reason { reason }).inc();
    }

    /// A write ended.
    pub fn wrote(&self, kind: &'static str, outcome: &'static str) {
        self.writes.get_or_create(&Write { kind, outcome }).inc();
    }

    /// A Deployment is ready which was not for this long.
    pub fn became_ready(&self, after: Duration) {
        self.unready.observe(after.as_secs_f64());
    }

    /// A device has passed a stage so long after a change.
    pub fn passed(&self, stage: &'static str, after: Duration) {
        self.propagation
            .get_or_create(&StageOf { stage })
            .observe(after.as_secs_f64());
    }

    /// A watch delivered something.
    pub fn event(&self) {
        self.events.inc();
    }

    /// All of them as text, with the totals as they are now.
    pub fn render(&self, now: &Totals) -> Result<String, std::fmt::Error> {
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        self.devices.set(clamp(now.stats.devices));
        self.stale.set(clamp(now.stats.stale));
        self.deployments.set(clamp(now.stats.deployments));
        self.refused.set(clamp(now.stats.refused));
        self.held_reports.set(clamp(now.stats.reports));
        self.leader.set(i64::from(now.active));
        self.connected.set(i64::from(now.connected));
        let states = [
            ("ready", now.stats.ready),
            ("progressing", now.stats.progressing),
            ("stalled", now.stats.stalled),
        ];
        for (state, count) in states {
            self.states
                .get_or_create(&State { state })
                .set(clamp(count));
        }
        self.violations.set(clamp(now.violations));
        let classes = [
            ("succeeded", now.stats.succeeded),
            ("failed", now.stats.failed),
            ("pending", now.stats.pending),
        ];
        for (class, count) in classes {
            self.reports
                .get_or_create(&Class { class })
                .set(clamp(count));
        }
        for (kind, depth) in now.depths {
            self.queued
                .get_or_create(&QueueOf { kind })
                .set(clamp(depth as u64));
        }
        exposition("operator", &self.registry)
    }
}

/// What is counted when somebody asks.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// Of the index.
    pub stats: Stats,
    /// Deployments whose counts do not add up.
    pub violations: u64,
    /// Whether this replica writes.
    pub active: bool,
    /// Whether the bus is connected.
    pub connected: bool,
    /// Of the queues.
    pub depths: [(&'static str, usize); 7],
}
