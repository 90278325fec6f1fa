//! The platform's chart as both Helms render it: with stand-ins for the charts of others, and, where
//! `FLEET_UPSTREAM_CHARTS` names a folder with them unpacked, with the real ones.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod bus;
mod documents;
mod identity;
mod network;
mod openbao;
mod process;
mod profiles;
mod refusals;
mod scene;
mod stand_ins;
mod subcharts;
#[allow(dead_code, reason = "shared with the tests of the other charts")]
#[path = "../charts/support.rs"]
mod support;
mod upstream;
