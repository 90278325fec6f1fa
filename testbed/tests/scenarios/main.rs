//! Scenarios on real servers and real podman. One program, because linking is what they cost most.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, which clippy does not see as such"
)]

mod common;
mod devices;
mod idp;
mod lifecycle;
mod node;
mod openbao;
mod servers;
