//! A device that logs in with tokens: the agent's program against the identity provider, the auth
//! callout and the bus, and `fleet-agent enrol` against a service that keeps the contract.

#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod agent;
mod chain;
mod enrol;
mod service;
mod tokens;
