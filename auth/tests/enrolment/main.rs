//! `fleet-auth enrol` as a process, with a real API server and the test IdP.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod deaths;
mod decisions;
mod device;
mod scene;
mod tokens;
mod whole;
