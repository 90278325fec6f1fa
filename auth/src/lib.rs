//! The services that answer who may use the bus, and who may become a device.
//!
//! `fleet-auth callout` answers nats-server's question about each device that logs in. It never
//! decides by itself: [`fleet_auth_core`] judges, this crate brings it the identity provider's keys
//! and the device's policy, and carries the verdict back. Tokens and keys never reach a log.
//!
//! | module | what it holds |
//! |---|---|
//! | [`args`] | the command line |
//! | [`callout`] | requests in, verdicts out; what is kept between them |
//! | [`jwks`] | the identity provider's keys: fetched, kept, served stale when it is away |
//! | [`policy`], [`board`] | where policies come from, and who is shut out |
//! | [`enrol`] | devices ask to join, people decide, the identity provider gets a user |
//! | [`audit`] | one line for each verdict |
//! | [`metrics`], [`http`] | what can be seen from outside |

pub mod args;
pub mod audit;
pub mod bao;
pub mod board;
pub mod callout;
pub mod clock;
pub mod enrol;
pub mod http;
pub mod jwks;
pub mod metrics;
pub mod policy;
pub mod secrets;
pub mod steps;
pub mod zitadel;

mod certificate;
mod rules;
mod run;

pub use run::{RunError, run};
