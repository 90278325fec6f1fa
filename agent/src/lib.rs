//! The device side: sync, verify, ledger, plan, drive podman, report.
//!
//! One thread, one loop ([`engine`]) around the [`fleet_agent_core::engine::Engine`], which owns all
//! state and decides; everything that waits runs in a task and sends an input back.
//!
//! | task | in | out |
//! |---|---|---|
//! | bus | the connection, the doorbell | up, down, manifest changed |
//! | sync | manifest and entries, over the bus | verified content for the ledger |
//! | podman watch | events of our containers | something changed |
//! | steps | what `fleet-agent-core` planned | outcomes |
//! | minter | the identity provider, through a short-lived process | tokens for the bus |
//! | rotate | the enrolment service, through a short-lived process | a new key in time |
//! | outbox | states, info | acknowledged |
//!
//! Containers start from the ledger, with or without a bus, and are left running when the agent
//! stops. It must never act on a manifest that it did not verify, and never touch a container
//! without its own labels.

mod bus;
pub mod cli;
mod clock;
pub mod config;
mod engine;
pub mod enrol;
mod files;
mod https;
mod identity;
mod inventory;
mod ledger;
pub mod logging;
mod mint;
mod podman;
mod probe;
pub mod rotate;

pub use engine::run;
pub use mint::{HelperError, mint};

/// A file that the configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

/// Checks what [`config::Config::load`] does not: the files that the configuration names.
pub fn check(config: &config::Config) -> Result<(), Unusable> {
    identity::check(config).map_err(Unusable)
}
