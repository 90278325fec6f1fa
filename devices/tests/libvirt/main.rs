//! libvirt: what it is given, and a real one.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod daemon;
mod lives;
mod schema;
