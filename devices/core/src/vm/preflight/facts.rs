use super::super::firmware::{Firmware, FirmwareError};
use super::super::kvm_host::KvmHost;
use crate::architecture::VmArchitecture;
use crate::host::Family;

/// What is to be run, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The guests' processor.
    pub architecture: VmArchitecture,
    /// What runs them.
    pub backend: Backend,
    /// How much room their disks and images need, in bytes.
    pub disk_bytes: u64,
}

/// What runs guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Backend {
    /// QEMU, started by ourselves.
    Qemu,
    /// libvirt.
    Libvirt(KvmHost),
}

/// What was found on the machine that is to run guests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreflightFacts {
    /// Whose packages it has; `None` where that is not known.
    pub family: Option<Family>,
    /// Its processor; `None` where that is not known, or none of ours.
    pub architecture: Option<VmArchitecture>,
    /// What the emulator says of its version; `None` where there is no emulator.
    pub emulator: Option<String>,
    /// Whether there is `qemu-img`.
    pub qemu_img: bool,
    /// Its firmware for the guests.
    pub firmware: Result<Firmware, FirmwareError>,
    /// Whether KVM can be had.
    pub kvm: KvmDevice,
    /// Where disks will lie; `None` where that is not known.
    pub disk: Option<Disk>,
    /// What libvirt says, where it is asked.
    pub libvirt: Option<LibvirtFacts>,
}

/// `/dev/kvm`, for whoever runs the guests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvmDevice {
    /// It is not there.
    Absent,
    /// It is there, and may not be opened.
    Denied,
    /// It is there, and QEMU cannot use it.
    Broken,
    /// It can be used.
    Usable,
}

/// A place for disks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// The folder.
    pub path: String,
    /// How much is free there, in bytes.
    pub free: u64,
}

/// What libvirt says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibvirtFacts {
    /// Whether there is `virsh`.
    pub virsh: bool,
    /// Whether it answers; if not, what it complains about.
    pub answers: Result<(), String>,
    /// Whether who runs this is root or in libvirt's group.
    pub allowed: bool,
    /// The network `default`.
    pub network: DefaultNetwork,
}

/// The network `default` of a machine's own libvirt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DefaultNetwork {
    /// It does not need to be there: guests of a session have user networking.
    NotNeeded,
    /// It is not known, for libvirt does not answer.
    Unknown,
    /// There is none.
    Missing,
    /// It is defined, and does not run.
    Inactive,
    /// It runs.
    Active,
}

impl DefaultNetwork {
    /// By what `virsh net-info default` answers, if it does.
    pub fn of(answer: Option<&str>) -> Self {
        let Some(text) = answer else {
            return Self::Missing;
        };
        let active = text.lines().any(|line| {
            let value = line.strip_prefix("Active:");
            value.is_some_and(|value| value.trim() == "yes")
        });
        if active { Self::Active } else { Self::Inactive }
    }
}
