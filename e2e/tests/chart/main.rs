//! The chart on a real cluster with real pods: what users do with Helm, and what survives it.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod bed;
mod failover;
mod lifecycle;
mod names;
