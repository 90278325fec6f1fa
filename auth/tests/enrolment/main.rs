//! `fleet-auth enrol` as a process, with a real API server and the test IdP.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
#![allow(clippy::large_futures, reason = "starting a testbed is one")]

mod agent;
mod deaths;
mod decisions;
mod device;
mod renewal;
mod rotation;
mod scene;
mod tokens;
mod whole;
