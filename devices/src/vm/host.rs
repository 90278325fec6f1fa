use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::{Accelerator, Forward, HostPath, VmName, VmSpec};

use super::error::VmError;
use crate::host::{Address, Outcome};

/// Where virtual machines run.
///
/// Machines that bear a name of ours and are not ours are left alone: all that would touch one says
/// [`VmError::NameTaken`].
pub trait VirtualMachineHost: Sync {
    /// Ours, by name. One that cannot be read is named in the log, and is not among them.
    fn list(&self) -> impl Future<Output = Result<Vec<VmInfo>, VmError>> + Send;

    /// One of ours.
    fn info(&self, name: &VmName) -> impl Future<Output = Result<VmInfo, VmError>> + Send;

    /// Makes sure that it is there as wanted, and runs. One that is different is defined anew, and one
    /// that has to start again for that is asked to shut down first.
    fn ensure(
        &self,
        wanted: &VmSpec,
        intent: Intent,
    ) -> impl Future<Output = Result<Outcome, VmError>> + Send;

    /// Cuts its power and starts it again. What it has not written to its disk is lost.
    fn power_cycle(&self, name: &VmName) -> impl Future<Output = Result<(), VmError>> + Send;

    /// Ends it and removes all that it has: disk, firmware's variables, definition.
    fn delete(&self, name: &VmName) -> impl Future<Output = Result<(), VmError>> + Send;

    /// Where its first serial port is.
    fn console(&self, name: &VmName) -> impl Future<Output = Result<Console, VmError>> + Send;
}

/// Whether to do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// Only say what would be different.
    Plan,
    /// Make it so.
    Carry,
}

/// What a machine is, and how it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmInfo {
    /// Its name.
    pub name: VmName,
    /// Whether it runs.
    pub state: VmState,
    /// Its processor.
    pub architecture: VmArchitecture,
    /// What runs its instructions, while it runs.
    pub accelerator: Option<Accelerator>,
    /// Virtual processors.
    pub vcpus: NonZeroU16,
    /// Memory, in MiB.
    pub memory_mib: NonZeroU32,
    /// How large its disk seems to it, in GiB.
    pub disk_gib: NonZeroU32,
    /// The image below its disk.
    pub image: Option<HostPath>,
    /// The way to its SSH; `None` while it has no address.
    pub way: Option<VmWay>,
    /// Further ports of it that this machine reaches.
    pub forwards: Vec<Forward>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
}

/// Whether a machine runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmState {
    /// It is off.
    Off,
    /// It runs.
    Running,
    /// It is on and does not go on, for this reason, such as `paused` or `io-error`.
    Halted(String),
}

impl VmState {
    /// For people and programs.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Off => "off",
            Self::Running => "running",
            Self::Halted(why) => why,
        }
    }
}

/// The way to a machine's SSH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmWay {
    /// The administrator there.
    pub address: Address,
    /// The key it proves itself by, in OpenSSH's form. It was made before the machine: nobody has to believe
    /// it at first sight.
    pub known_hosts: PathBuf,
}

/// Where a machine's first serial port is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// A socket that is the other end of it, while the machine runs. It takes one listener at a time.
    pub socket: Option<PathBuf>,
    /// What it said since it was last started.
    pub log: PathBuf,
}
