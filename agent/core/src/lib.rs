//! Decides what a device has to do so that what runs on it becomes what should run on it.
//!
//! This crate does no I/O, reads no clock and rolls no dice: time comes in as [`Tick`], randomness as
//! [`Dice`], and the caller executes the steps and reports what came of them.
//!
//! | module | in | out |
//! |---|---|---|
//! | [`engine`] | all that happens to a device | all it has to do: the modules below, put together |
//! | [`sync`] | answers of the bus | what to get next, and what to follow |
//! | [`ledger`] | what to follow | bytes to keep, and back |
//! | [`accept`] | a manifest as received, the one before it | taken, unchanged or refused with a reason |
//! | [`trust`] | manifests that were taken | whose manifests to follow |
//! | [`desired`] | a manifest and bodies | services in order of precedence, clashes resolved |
//! | [`observed`] | one listing of our containers | what runs, by label |
//! | [`memory`] | outcomes of steps, exits seen | attempts, back-off, health |
//! | [`plan`] | the three above | steps that may run now, and when to ask again |
//! | [`identity`] | clocks, answers of the identity provider | what to ask it, and when |
//! | [`link`] | attempts, refusals and answers of the bus | when to try again, and what to say |
//! | [`report`] | the three above | one `DeviceState` for each deployment |
//!
//! Invariants: an image is there before anything is stopped for it; stale and new never run side by
//! side; a container whose service did not change is never touched; planning after success gives nothing.

pub mod accept;
pub mod backoff;
mod claims;
pub mod desired;
pub mod engine;
pub mod health;
pub mod identity;
pub mod ledger;
pub mod link;
pub mod memory;
pub mod observed;
pub mod plan;
pub mod report;
pub mod sync;
pub mod trust;

pub use backoff::{Dice, Tick};
pub use desired::{Body, Desired, DesiredDeployment, DesiredService, Problem, ServiceKey};
pub use memory::{Done, Failure, Memory, Outcome};
pub use observed::{Container, ContainerId, Observed, RunState};
pub use plan::{Lane, Plan, Step, plan};
