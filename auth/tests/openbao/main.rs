#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! `fleet-auth` on a real OpenBao: set up twice, read, and away.

mod policies;
mod provision;
mod vault;
