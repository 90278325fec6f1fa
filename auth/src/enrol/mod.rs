//! `fleet-auth enrol`: devices ask, people decide, the identity provider gets a user.
//!
//! | module | what it holds |
//! |---|---|
//! | [`tls`], [`http`] | connections and calls |
//! | [`desk`] | what a device is answered |
//! | [`tokens`], [`registry`] | what is kept, as objects of Kubernetes |
//! | [`provision`] | what was decided is done, step by step |
//! | [`idp`] | the calls of the identity provider's API |
//!
//! [`fleet_auth_core::enrol`] decides. Tokens are stored as hashes only; no secret of a device ever
//! comes here. The service may create enrolments and must never be able to approve one.

pub mod args;
pub mod desk;
pub mod http;
pub mod idp;
pub mod metrics;
pub mod provision;
pub mod registry;
pub mod tls;
pub mod tokens;

mod answers;
mod audit;
mod run;
mod status;
mod view;

pub use run::{EnrolError, create_token, run};
