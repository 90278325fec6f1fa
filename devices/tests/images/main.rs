//! Images from a server of our own, which breaks off, lies and forgets.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "test code"
)]

mod commands;
mod fetched;
mod server;
mod signed;
