//! A fleet file: hosts that are to become devices, and what they have in common.

mod error;
mod file;

pub use error::FleetFileError;
pub use file::{FleetFile, FleetHost};
