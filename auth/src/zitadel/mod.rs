//! Zitadel's API, and a project for the fleet set up there.

mod connection;

pub use connection::{Connection, ConnectionArgs, IdpError};
