//! The agent against real servers: nats-server as `fleet-bus` configures it, and podman.
//!
//! The operator's part is played by [`fleet::Fleet`], which writes what the operator would.

#![allow(
    clippy::expect_used,
    reason = "a scenario that cannot be set up has failed"
)]

mod attacks;
mod fields;
mod fleet;
mod lifecycle;
mod load;
mod refusals;
mod trouble;
