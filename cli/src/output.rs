//! What all commands print by.

use fleet_output::human_duration;
pub use fleet_output::{OutputError, Table, emit, printable, table};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

/// The time since then, shortened as kubectl does; `<unknown>` without one.
pub fn age(since: Option<&Time>, now: Timestamp) -> String {
    since.map_or_else(
        || "<unknown>".to_owned(),
        |time| human_duration(now.as_second().saturating_sub(time.0.as_second())),
    )
}
