//! Whether a machine can run virtual machines, before anything is tried.
//!
//! [`judge`] gets what was found and says of every prerequisite whether it is met; what is missed comes
//! with the command that makes it right.

mod facts;
mod fix;
mod judge;
mod remote;

pub use facts::{Backend, DefaultNetwork, Disk, KvmDevice, LibvirtFacts, PreflightFacts, Wanted};
pub use fix::Fix;
pub use judge::{Check, Verdict, judge};
pub use remote::{Capabilities, emulator_version};
