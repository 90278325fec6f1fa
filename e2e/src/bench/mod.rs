//! Benchmarks. Each prints its figures with machine and commit, and JSON as its last line.

pub mod agent;
pub mod callout;
pub mod charts;
pub mod machines;
pub mod round_trip;
pub mod sizing;
pub mod soak;

pub(crate) use fleet_bench_kit::{machine, process, stats};
