//! Virtual machines that become devices.
//!
//! A [`VirtualMachineHost`] is where they run: [`PlainQemuHost`] starts QEMU itself, [`LibvirtHost`] has libvirt do it. What a machine is made of, and
//! what differs, are values of `fleet_devices_core::vm`; here they are carried out.

mod boot;
mod error;
mod folders;
mod host;
mod libvirt;
mod password;
pub(crate) mod plain;

pub use boot::{BootError, BootPhase, BootProgress, Login, wait_until_up};
pub use error::{ImageProblem, VmError};
pub use folders::Folders;
pub use host::{Console, Intent, VirtualMachineHost, VmInfo, VmState, VmWay};
pub use libvirt::LibvirtHost;
pub use password::hash_password;
pub use plain::PlainQemuHost;
