//! A Linux host: narrow capabilities, each with what can deliver it.
//!
//! [`Transport`] runs commands: [`Ssh`] on a host far away, [`Local`] on this machine, [`Planned`] on either, but
//! only those that look; [`Way`] is whichever of them a [`Target`] is reached by. Over any of them [`Linux`] has the
//! five capabilities.

mod capabilities;
mod error;
mod host_key;
mod linux;
mod local;
mod planned;
mod ssh;
mod target;
mod transport;
mod way;

pub use capabilities::{
    FileDelivery, HostReachable, LinuxHostConfiguration, PackageInstaller, SystemdManager,
    UnixUserManager,
};
pub use error::HostError;
pub use fleet_devices_core::host::{Address, InvalidAddress};
pub use linux::{Linux, Outcome};
pub use local::Local;
pub use planned::Planned;
pub use ssh::{ConnectError, Proof, Ssh, SshSettings};
pub use target::Target;
pub use transport::{Told, Transport, TransportError};
pub use way::Way;
