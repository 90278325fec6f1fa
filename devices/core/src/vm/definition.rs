//! What a virtual machine is made of, and what its host has to offer.

use std::num::{NonZeroU16, NonZeroU32};

use super::accelerator::Accelerator;
use super::name::VmName;
use super::path::HostPath;
use crate::architecture::VmArchitecture;

/// What a virtual machine is made of, whatever starts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmDefinition {
    /// Its name.
    pub name: VmName,
    /// Its processor.
    pub architecture: VmArchitecture,
    /// Virtual processors. QEMU's Arm board takes at most 8 where they are emulated.
    pub vcpus: NonZeroU16,
    /// Memory, in MiB.
    pub memory_mib: NonZeroU32,
    /// Its files.
    pub files: VmFiles,
    /// What happens to what it writes.
    pub disk_cache: DiskCache,
    /// How libvirt connects it. Plain QEMU knows user networking only.
    pub network: VmNetwork,
}

/// The files of a virtual machine, all its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmFiles {
    /// Its disk, of format qcow2.
    pub disk: HostPath,
    /// The file system with its seed, raw. It is only read.
    pub seed: HostPath,
    /// The firmware's variables. They have to be there before it starts.
    pub vars: HostPath,
    /// What it writes to its first serial port. Every start begins it anew.
    pub serial_log: HostPath,
}

/// What happens to what a virtual machine writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DiskCache {
    /// It is on the host's disk when the guest asks for that.
    #[default]
    Writeback,
    /// It is lost when the host falls: for machines that live as long as a test.
    Unsafe,
}

impl DiskCache {
    /// As libvirt and QEMU write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Writeback => "writeback",
            Self::Unsafe => "unsafe",
        }
    }

    /// The opposite of [`DiskCache::as_str`].
    pub fn named(name: &str) -> Option<Self> {
        [Self::Writeback, Self::Unsafe]
            .into_iter()
            .find(|cache| cache.as_str() == name)
    }
}

/// How libvirt connects a virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VmNetwork {
    /// A network of libvirt's, by its name, mostly `default`: the guest has an address that the host
    /// reaches.
    Libvirt(String),
    /// QEMU's user networking: the guest reaches out, and the host reaches forwarded ports only.
    User,
}

/// A TCP port of the guest that the host reaches on its loopback address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forward {
    /// The host's port.
    pub host: NonZeroU16,
    /// The guest's port.
    pub guest: NonZeroU16,
}

impl Forward {
    /// As QEMU writes it, in `hostfwd=` and in its monitor's `hostfwd_add`.
    pub fn rule(self) -> String {
        format!("tcp:127.0.0.1:{}-:{}", self.host, self.guest)
    }
}

/// What was found on the host that a virtual machine is to run on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// The host's processor.
    pub architecture: VmArchitecture,
    /// Whether whoever runs the guest may open `/dev/kvm`.
    pub kvm_usable: bool,
    /// QEMU for the guest's processor.
    pub emulator: HostPath,
    /// The firmware's code, of the length that the guest's board needs.
    pub firmware_code: HostPath,
}

impl HostFacts {
    /// What runs the instructions of a guest: KVM runs only those of the host's own kind.
    pub fn accelerator(&self, guest: VmArchitecture) -> Accelerator {
        if self.kvm_usable && self.architecture == guest {
            Accelerator::Kvm
        } else {
            Accelerator::Tcg
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::host;
    use super::*;

    #[test]
    fn kvm_runs_only_guests_of_the_hosts_own_kind() {
        let [x86, arm] = VmArchitecture::ALL;
        for (of, kvm_usable, guest, expected) in [
            (x86, true, x86, Accelerator::Kvm),
            (x86, false, x86, Accelerator::Tcg),
            (x86, true, arm, Accelerator::Tcg),
            (arm, true, arm, Accelerator::Kvm),
            (arm, true, x86, Accelerator::Tcg),
        ] {
            let host = HostFacts {
                kvm_usable,
                ..host(of, guest)
            };
            assert_eq!(host.accelerator(guest), expected, "{guest} on {of}");
        }
    }
}
