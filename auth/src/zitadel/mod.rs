//! Zitadel's API, and a project for the fleet set up there.
//!
//! | module | what it holds |
//! |---|---|
//! | [`wanted`] | what Zitadel has to hold for the fleet, as values |
//! | [`args`] | options of `provision zitadel` |
//!
//! In a cluster it also keeps what came of it: the ids in a `ConfigMap`, for pods to name and people to read,
//! and the enrolment service's token in a Secret.
//!
//! Devices and their keys are not set up here but by [`enrol`](crate::enrol), which takes the same
//! [`Connection`].

pub mod args;
pub mod wanted;

mod calls;
mod connection;
mod enroller;
mod keep;
mod list;
mod members;
mod provision;
mod users;
mod wait;

pub use connection::{Connection, ConnectionArgs, IdpError};
pub use keep::KeepError;
pub use provision::{Ids, ProvisionError, run};
pub(crate) use users::USERS;
