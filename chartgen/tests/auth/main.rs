//! The chart of the auth services as both Helms render it.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod components;
mod golden;
mod identity;
mod openbao;
mod program;
mod refusals;
mod scene;
#[allow(dead_code, reason = "shared with the tests of the other charts")]
#[path = "../charts/support.rs"]
mod support;
