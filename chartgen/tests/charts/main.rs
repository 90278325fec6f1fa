//! Our charts as both Helms render them, and the program that writes them.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod consistency;
mod golden;
mod matrix;
mod names;
mod nulls;
mod people;
mod program;
mod refusals;
mod support;
mod toggles;
