#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! `fleet-auth` on a real OpenBao: set up twice, logged in to, read, and away.

mod audience;
mod logins;
mod policies;
mod provision;
mod seal;
mod tokens;
mod vault;
