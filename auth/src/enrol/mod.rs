//! `fleet-auth enrol`: devices ask, people decide, the identity provider gets a user.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tls`], [`http`] | connections and calls |
//! | [`desk`], [`rotation`] | what a device is answered: that asks, that replaces its key |
//! | [`policy`] | what nobody has to approve |
//! | [`tokens`], [`registry`] | what is kept, as objects of Kubernetes |
//! | [`provision`], `steps` | what was decided is done, step by step, by the replica that leads |
//! | [`idp`] | the calls of the identity provider's API |
//! | [`access`] | what the callout is told: shut out, let in |
//!
//! [`fleet_auth_core::enrol`] decides. Tokens are stored as hashes only; no secret of a device ever
//! comes here. The service may create enrolments and must never be able to approve one.

pub mod access;
pub mod args;
pub mod desk;
pub mod http;
pub mod idp;
pub mod metrics;
pub mod policy;
pub mod provision;
pub mod registry;
pub mod rotation;
pub mod tls;
pub mod tokens;

mod answers;
mod audit;
mod labels;
mod run;
mod status;
mod steps;
mod view;

/// What the service's own authority is called, which devices pin.
pub(crate) const AUTHORITY: &str = "fleet enrolment";

pub use run::{EnrolError, create_token, run};
