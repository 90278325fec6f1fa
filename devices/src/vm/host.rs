use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;
use std::time::Duration;

use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::{Accelerator, Forward, HostPath, VmFolder, VmName, VmRecord, VmSpec};

use super::error::VmError;
use crate::host::{Address, Outcome, Proof, SshSettings};

/// How long a guest may take to shut itself down before its power is cut.
pub(super) const SHUTS_DOWN_WITHIN: Duration = Duration::from_secs(90);

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

impl VmInfo {
    /// What was defined, and how it is now.
    pub(super) fn of(
        record: VmRecord,
        state: VmState,
        accelerator: Option<Accelerator>,
        way: Option<VmWay>,
    ) -> Self {
        let spec = record.spec;
        Self {
            name: spec.name,
            state,
            architecture: spec.architecture,
            accelerator,
            vcpus: spec.vcpus,
            memory_mib: spec.memory_mib,
            disk_gib: spec.disk_gib,
            image: spec.image,
            way,
            forwards: spec.forwards,
            created: record.created,
        }
    }
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

impl VmWay {
    /// By the port of this machine that leads there.
    pub(super) fn forwarded(folder: &VmFolder, record: &VmRecord) -> Self {
        Self {
            address: Address {
                user: record.spec.admin.name().to_owned(),
                host: "127.0.0.1".to_owned(),
                port: record.ssh_port.get(),
            },
            known_hosts: folder.known_hosts.as_ref().to_owned(),
        }
    }

    /// How to log in by it with this private key. Who answers has to be the machine.
    pub fn settings(&self, identity: PathBuf) -> SshSettings {
        SshSettings {
            proof: Proof::Key(identity),
            known_hosts: self.known_hosts.clone(),
            accept_new: false,
            sudo_password: None,
        }
    }
}

/// Where a machine's first serial port is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// A socket that is the other end of it, while the machine runs. It takes one listener at a time.
    pub socket: Option<PathBuf>,
    /// What it said since it was last started.
    pub log: PathBuf,
}
