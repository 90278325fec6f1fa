#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! `fleet-auth secrets ensure` on a real API server, with no more rights than it needs.

mod bus;
mod deaths;
mod once;
mod rights;
mod scene;
mod turns;
