//! The program as its users run it: offline, against a real API server, and against a real NATS.

#![allow(
    clippy::expect_used,
    reason = "a helper of a test that fails has failed the test"
)]

mod backup;
mod bed;
mod bus;
mod deployments;
mod devices;
mod doctor;
mod enrolments;
mod keys;
mod kubectl;
mod offline;
mod support;
