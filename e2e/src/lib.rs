//! Scenarios, demo and benchmarks over the testbed.
//!
//! Everything here uses the platform as its users do: it applies resources to a real API server
//! and asks real containers on real devices for an answer. It must never reach into operator or
//! agent.

pub mod attacks;
pub mod bench;
pub mod cluster;
pub mod command;
pub mod connections;
pub mod doctor;
pub mod earlier;
pub mod error;
mod guest;
pub mod helm;
pub mod http;
pub mod identity;
pub mod installed;
pub mod machines;
pub mod menu;
mod namespace;
pub mod platform;
pub mod regression;
pub mod rollout;
pub mod scc;
pub mod stand_ins;
pub mod umbrella;
pub mod workload;

pub use error::Error;
pub use installed::Installation;
pub use platform::Platform;
