//! The planner against a model of a device.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a scenario that cannot be set up has failed"
)]

mod laws;
mod scenarios;
mod world;
