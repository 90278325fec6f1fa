//! `fleet-auth enrol` as a process, with a real API server and the test IdP.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
#![allow(clippy::large_futures, reason = "starting a testbed is one")]

mod agent;
mod attacks;
mod deaths;
mod decisions;
mod denial;
mod device;
mod policy;
mod rbac;
mod renewal;
mod replicas;
mod rotation;
mod scene;
mod tokens;
#[allow(dead_code, reason = "the tests of OpenBao use the rest")]
#[path = "../openbao/vault.rs"]
mod vault;
mod whole;
