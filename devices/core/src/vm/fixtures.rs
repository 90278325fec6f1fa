//! A virtual machine and a host, for tests.
#![allow(clippy::expect_used, reason = "test code")]

use std::num::{NonZeroU16, NonZeroU32};

use super::definition::{DiskCache, HostFacts, VmDefinition, VmFiles, VmNetwork};
use super::path::HostPath;
use crate::architecture::VmArchitecture;

pub(crate) fn path(text: &str) -> HostPath {
    text.parse().expect("an absolute path")
}

pub(crate) fn port(number: u16) -> NonZeroU16 {
    NonZeroU16::new(number).expect("not zero")
}

pub(crate) fn definition(architecture: VmArchitecture) -> VmDefinition {
    VmDefinition {
        name: "pi-1".parse().expect("a name"),
        architecture,
        vcpus: port(2),
        memory_mib: NonZeroU32::new(1024).expect("not zero"),
        files: VmFiles {
            disk: path("/var/lib/fleet/pi-1/disk.qcow2"),
            seed: path("/var/lib/fleet/pi-1/seed.iso"),
            vars: path("/var/lib/fleet/pi-1/vars.fd"),
            serial_log: path("/var/lib/fleet/pi-1/serial.log"),
        },
        disk_cache: DiskCache::default(),
        network: VmNetwork::Libvirt("default".to_owned()),
    }
}

/// A host that may use KVM.
pub(crate) fn host(of: VmArchitecture, guest: VmArchitecture) -> HostFacts {
    let firmware_code = match guest {
        VmArchitecture::X86_64 => "/usr/share/OVMF/OVMF_CODE_4M.fd",
        VmArchitecture::Aarch64 => "/usr/share/AAVMF/AAVMF_CODE.fd",
    };
    HostFacts {
        architecture: of,
        kvm_usable: true,
        emulator: path(&format!("/usr/bin/{}", guest.emulator())),
        firmware_code: path(firmware_code),
    }
}
