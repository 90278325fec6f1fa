//! Scenarios, demo and benchmarks over the testbed.
