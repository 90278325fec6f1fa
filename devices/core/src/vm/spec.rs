//! What somebody wants of a virtual machine.

use std::num::{NonZeroU16, NonZeroU32};

use super::definition::{DiskCache, Forward, VmDefinition, VmFiles, VmNetwork};
use super::name::VmName;
use super::path::HostPath;
use super::seed::AdminUser;
use crate::architecture::VmArchitecture;

/// What somebody wants of a virtual machine, whatever its host makes of it: where its files are and which
/// free port leads to it are the host's to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmSpec {
    /// Its name.
    pub name: VmName,
    /// Its processor.
    pub architecture: VmArchitecture,
    /// Virtual processors.
    pub vcpus: NonZeroU16,
    /// Memory, in MiB.
    pub memory_mib: NonZeroU32,
    /// How large its disk seems to it, in GiB. It takes what is written.
    pub disk_gib: NonZeroU32,
    /// What happens to what it writes.
    pub disk_cache: DiskCache,
    /// The image below its disk, which it never changes. Without one, the disk is empty.
    pub image: Option<HostPath>,
    /// The host's port that leads to its SSH; without one, the host takes a free one and keeps to it.
    pub ssh_port: Option<NonZeroU16>,
    /// Further ports.
    pub forwards: Vec<Forward>,
    /// Who may log in.
    pub admin: AdminUser,
}

impl VmSpec {
    /// The machine of it, with these files.
    pub fn definition(&self, files: VmFiles, network: VmNetwork) -> VmDefinition {
        VmDefinition {
            name: self.name.clone(),
            architecture: self.architecture,
            vcpus: self.vcpus,
            memory_mib: self.memory_mib,
            files,
            disk_cache: self.disk_cache,
            network,
        }
    }
}
