use roxmltree::Document;

use super::super::firmware::{Firmware, FirmwareError, Padding};
use super::facts::KvmDevice;
use crate::architecture::VmArchitecture;

/// What libvirt says of guests of one processor on a machine that is not this one
/// (`virsh domcapabilities`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The processor of the guests.
    pub architecture: Option<VmArchitecture>,
    /// The emulator.
    pub emulator: String,
    /// Whether libvirt would run them by KVM.
    pub kvm: bool,
    /// The first of the firmware that it knows.
    pub firmware: Option<String>,
}

impl Capabilities {
    /// Reads it; `None` where it is something else.
    pub fn of(answer: &str) -> Option<Self> {
        let document = Document::parse(answer).ok()?;
        let root = document.root_element();
        let text = |name: &str| {
            let found = root.children().find(|it| it.has_tag_name(name))?;
            Some(found.text()?.trim().to_owned())
        };
        let loader = root
            .descendants()
            .find(|it| it.has_tag_name("loader") && it.attribute("supported") == Some("yes"));
        let firmware = loader.and_then(|loader| {
            let value = loader.children().find(|it| it.has_tag_name("value"))?;
            Some(value.text()?.to_owned())
        });
        Some(Self {
            architecture: text("arch").and_then(|arch| arch.parse().ok()),
            emulator: text("path")?,
            kvm: text("domain")? == "kvm",
            firmware,
        })
    }

    /// Whether KVM can be had there.
    pub const fn kvm_device(&self) -> KvmDevice {
        if self.kvm {
            KvmDevice::Usable
        } else {
            KvmDevice::Absent
        }
    }

    /// The firmware, as it would be found here.
    pub fn firmware(&self, guests: VmArchitecture) -> Result<Firmware, FirmwareError> {
        let code = self.firmware.clone();
        Ok(Firmware {
            code: code.ok_or(FirmwareError::NotFound(guests))?,
            vars: None,
            padding: Padding::None,
        })
    }
}

/// What `virsh version` says of the emulator, in the emulator's own words.
pub fn emulator_version(answer: &str) -> Option<String> {
    let line = answer
        .lines()
        .find_map(|it| it.strip_prefix("Running hypervisor: QEMU "));
    Some(format!("version {}", line?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_are_read() {
        let answer = "<domainCapabilities><path>/usr/bin/qemu-system-aarch64</path><domain>qemu</domain>\
            <machine>virt-7.2</machine><arch>aarch64</arch><os supported='yes'><loader supported='yes'>\
            <value>/usr/share/AAVMF/AAVMF_CODE.fd</value><value>/x</value></loader></os></domainCapabilities>";
        let expected = Capabilities {
            architecture: Some(VmArchitecture::Aarch64),
            emulator: "/usr/bin/qemu-system-aarch64".to_owned(),
            kvm: false,
            firmware: Some("/usr/share/AAVMF/AAVMF_CODE.fd".to_owned()),
        };
        assert_eq!(Capabilities::of(answer), Some(expected));
        for answer in ["", "error: x", "<domainCapabilities/>"] {
            assert_eq!(Capabilities::of(answer), None);
        }
        let version = "Using library: libvirt 9.0.0\nRunning hypervisor: QEMU 7.2.22\n";
        assert_eq!(emulator_version(version).as_deref(), Some("version 7.2.22"));
    }
}
