//! A check of real platforms: one that works, and some that do not.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod broken;
mod rights;
mod scene;
mod whole;
