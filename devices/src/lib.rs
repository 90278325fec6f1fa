//! From a bare machine or virtual machine to an enrolled member of a fleet.

pub mod cli;
pub mod host;
pub mod image;
pub mod key_pair;
pub mod kvm;
pub mod preflight;
pub mod setup;
pub mod vm;
