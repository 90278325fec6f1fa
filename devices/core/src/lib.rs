//! What makes a machine a device of a fleet, as values: virtual machines and their first boot, and
//! packages, users, files and units of a Linux host.
//!
//! Nothing here does anything: it says what has to be there, compares that with what was found, and
//! gives the commands that make the difference. `fleet-devices` carries them out.

pub mod architecture;
pub mod fleet;
pub mod host;
pub mod program;
pub mod vm;

pub use architecture::VmArchitecture;
