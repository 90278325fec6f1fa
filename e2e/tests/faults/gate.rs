//! What runs by itself, and what only when asked for.

use std::io::Write as _;
use std::time::{Duration, Instant};

use fleet_testbed::wait;

/// Set by `make faults` to [`LONG`].
const ASKED: &str = "FLEET_FAULTS";
const LONG: &str = "long";
/// Repeats one draw.
const SEED: &str = "FLEET_SEED";

/// Whether the scenarios that take minutes are wanted.
fn long() -> bool {
    std::env::var_os(ASKED).is_some_and(|value| value == LONG)
}

/// Says what did not run. Not with a macro: the harness would keep it to itself.
pub(crate) fn skipped(scenario: &str, why: &str) {
    let mut errors = std::io::stderr();
    writeln!(errors, "skipped: {scenario}: {why}").expect("said");
}

/// How long an outage lasts.
pub(crate) fn outage() -> Duration {
    Duration::from_secs(if long() { 60 } else { 5 })
}

/// Until an outage that began then has lasted so long.
pub(crate) async fn sit_out(begun: Instant) {
    wait::until(outage() * 2, || async { begun.elapsed() >= outage() }).await;
}

/// The seeds of a scenario that draws its fault: one that was asked for, or this many.
pub(crate) fn seeds(short: u64, many: u64) -> Vec<u64> {
    let given = std::env::var(SEED).ok();
    match given.map(|text| text.parse().expect("FLEET_SEED is a number")) {
        Some(seed) => vec![seed],
        None if long() => (1..=many).collect(),
        None => (1..=short).collect(),
    }
}
