//! Metrics, under fixed names and without a label for any device.

use std::time::Duration;

use fleet_service::exposition;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Seconds; a verdict from the cache takes a fraction of a millisecond, and after five seconds the
/// server has given up.
const LATENCIES: [f64; 12] = [
    0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0,
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Action {
    action: &'static str,
}

/// All metrics; cheap to use from every task.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    verdicts: Family<Reason, Counter>,
    latency: Histogram,
    token_cache: Family<Outcome, Counter>,
    key_reads: Family<Outcome, Counter>,
    key_age: Gauge,
    policy_reads: Family<Outcome, Counter>,
    policies_answered: Gauge,
    denial_reads: Family<Outcome, Counter>,
    closed: Family<Reason, Counter>,
    clones: Family<Action, Counter>,
    kept_tokens: Gauge,
    in_flight: Gauge,
    connected: Gauge,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("fleet_auth"),
            verdicts: Family::default(),
            latency: Histogram::new(LATENCIES),
            token_cache: Family::default(),
            key_reads: Family::default(),
            key_age: Gauge::default(),
            policy_reads: Family::default(),
            policies_answered: Gauge::default(),
            denial_reads: Family::default(),
            closed: Family::default(),
            clones: Family::default(),
            kept_tokens: Gauge::default(),
            in_flight: Gauge::default(),
            connected: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

/// The `reason` of verdicts that let somebody in.
pub const ADMITTED: &str = "Admitted";

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        let about = "Verdicts by reason; Admitted is the one that lets in";
        r.register("verdicts", about, self.verdicts.clone());
        let about = "Time from a request to its verdict";
        r.register("verdict_seconds", about, self.latency.clone());
        let about = "Tokens that were verified before (hit) or had to be (miss)";
        r.register("token_cache", about, self.token_cache.clone());
        let about = "Readings of the identity provider's keys, by outcome";
        r.register("jwks_reads", about, self.key_reads.clone());
        let about =
            "Seconds since the identity provider's keys were read; -1 before the first time";
        r.register("jwks_age_seconds", about, self.key_age.clone());
        let about = "Readings of policies from OpenBao, by outcome; stale ones were not read";
        r.register("policy_reads", about, self.policy_reads.clone());
        let about = "When OpenBao last gave a policy, in seconds since 1970; 0 before";
        let name = "policies_answered_timestamp_seconds";
        r.register(name, about, self.policies_answered.clone());
        let about = "Readings of the list of denied devices from OpenBao, by outcome";
        r.register("denial_reads", about, self.denial_reads.clone());
        let about = "Connections of devices that were closed, by reason";
        r.register("connections_closed", about, self.closed.clone());
        let about = "Identities that were found in two places, by what was done";
        r.register("clones", about, self.clones.clone());
        // What begins with its first happening has no increase then, and sets no alert off.
        for action in ["alert", "deny"] {
            let _ = self.clones.get_or_create(&Action { action });
        }
        let about = "Verified tokens that are kept until they expire";
        r.register("kept_tokens", about, self.kept_tokens.clone());
        let about = "Requests that are worked on";
        r.register("requests_in_flight", about, self.in_flight.clone());
        let about = "1 while the bus is connected";
        r.register("bus_connected", about, self.connected.clone());
    }

    /// A request was judged.
    pub fn judged(&self, reason: &'static str, took: Duration) {
        self.verdicts.get_or_create(&Reason { reason }).inc();
        self.latency.observe(took.as_secs_f64());
    }

    /// A token was looked up.
    pub fn looked_up(&self, found: bool) {
        let outcome = if found { "hit" } else { "miss" };
        self.token_cache.get_or_create(&Outcome { outcome }).inc();
    }

    /// The keys were read, or not.
    pub fn read_keys(&self, outcome: &'static str) {
        self.key_reads.get_or_create(&Outcome { outcome }).inc();
    }

    /// A policy was wanted that was not fresh at hand.
    pub fn read_policy(&self, outcome: &'static str) {
        self.policy_reads.get_or_create(&Outcome { outcome }).inc();
    }

    /// OpenBao gave a policy at this time.
    pub fn policies_answered_at(&self, seconds: u64) {
        let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
        self.policies_answered.set(seconds);
    }

    /// The list of denied devices was read, or not.
    pub fn read_denials(&self, outcome: &'static str) {
        self.denial_reads.get_or_create(&Outcome { outcome }).inc();
    }

    /// A connection was closed.
    pub fn closed(&self, reason: &'static str) {
        self.closed.get_or_create(&Reason { reason }).inc();
    }

    /// An identity was found in two places.
    pub fn cloned(&self, action: &'static str) {
        self.clones.get_or_create(&Action { action }).inc();
    }

    /// All of them as text, with the totals as they are now.
    pub fn render(&self, now: &Totals) -> Result<String, std::fmt::Error> {
        let clamp = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        let age = now.key_age.map(|age| i64::try_from(age.as_secs()));
        self.key_age
            .set(age.map_or(-1, |age| age.unwrap_or(i64::MAX)));
        self.kept_tokens.set(clamp(now.kept_tokens));
        self.in_flight.set(clamp(now.in_flight));
        self.connected.set(i64::from(now.connected));
        exposition("callout", &self.registry)
    }
}

/// What is counted when somebody asks.
#[derive(Debug, Clone, Copy)]
pub struct Totals {
    /// Since the identity provider's keys were read.
    pub key_age: Option<Duration>,
    /// Verified tokens.
    pub kept_tokens: usize,
    /// Requests that are worked on.
    pub in_flight: usize,
    /// Whether the bus is connected.
    pub connected: bool,
}
