//! What people expect of any chart, item by item, on what ours render to. What is left out on purpose
//! stands here with its reason.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod about;
mod objects;
mod pods;
mod subject;
#[allow(dead_code, reason = "shared with the tests of the other charts")]
#[path = "../charts/support.rs"]
mod support;
