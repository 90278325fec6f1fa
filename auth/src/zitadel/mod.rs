//! Zitadel's API, and a project for the fleet set up there.
//!
//! | module | what it holds |
//! |---|---|
//! | [`wanted`] | what Zitadel has to hold for the fleet, as values |
//! | [`args`] | options of `provision zitadel` |
//!
//! Devices and their keys are not set up here but by [`enrol`](crate::enrol), which takes the same
//! [`Connection`].

pub mod args;
pub mod wanted;

mod calls;
mod connection;
mod provision;

pub use connection::{Connection, ConnectionArgs, IdpError};
pub use provision::{Ids, ProvisionError, run};
