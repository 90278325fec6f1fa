//! The domain that libvirt is given.
//!
//! [`resolve`] decides, [`DomainXmlParams::to_xml`] only writes. The document carries a fingerprint
//! of itself, so that a domain that was defined from something else is told from one that is as it
//! should be without comparing what libvirt made of it.

use std::num::{NonZeroU16, NonZeroU32};

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::accelerator::Accelerator;
use super::definition::{DiskCache, HostFacts, VmDefinition, VmNetwork};
use super::name::VmName;
use super::ownership::NAMESPACE;
use super::path::HostPath;
use super::xml::escape;
use crate::architecture::VmArchitecture;

/// Every value of a domain's document. Nothing is left to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainXmlParams {
    /// The domain's name.
    pub name: VmName,
    /// Its identity.
    pub uuid: Uuid,
    /// What runs its instructions, which is the domain's type.
    pub runs_on: Accelerator,
    /// Its processor.
    pub architecture: VmArchitecture,
    /// Its board.
    pub machine: &'static str,
    /// The program that runs it.
    pub emulator: HostPath,
    /// Virtual processors.
    pub vcpus: NonZeroU16,
    /// Memory, in MiB.
    pub memory_mib: NonZeroU32,
    /// The element `cpu`.
    pub cpu_xml: &'static str,
    /// The firmware's code.
    pub firmware_code: HostPath,
    /// The firmware's variables.
    pub vars: HostPath,
    /// Its disk.
    pub disk: HostPath,
    /// What happens to what it writes there.
    pub disk_cache: DiskCache,
    /// Its seed.
    pub seed: HostPath,
    /// What it writes to its first serial port.
    pub serial_log: HostPath,
    /// The element `interface`.
    pub network_xml: String,
    /// Where the first serial port is, as the type and the inside of the elements `serial` and `console`.
    pub console: (&'static str, String),
    /// Arguments of QEMU that libvirt has no words for.
    pub qemu_args: Vec<String>,
}

/// What a definition comes to on a host. A domain that exists keeps its `uuid`.
pub fn resolve(definition: &VmDefinition, host: &HostFacts, uuid: Uuid) -> DomainXmlParams {
    let architecture = definition.architecture;
    let runs_on = host.accelerator(architecture);
    let files = definition.files.clone();
    DomainXmlParams {
        name: definition.name.clone(),
        uuid,
        runs_on,
        architecture,
        machine: architecture.machine(),
        emulator: host.emulator.clone(),
        vcpus: definition.vcpus,
        memory_mib: definition.memory_mib,
        cpu_xml: match runs_on {
            Accelerator::Kvm => "<cpu mode='host-passthrough'/>",
            Accelerator::Tcg => "<cpu mode='maximum'/>",
        },
        firmware_code: host.firmware_code.clone(),
        vars: files.vars,
        disk: files.disk,
        disk_cache: definition.disk_cache,
        seed: files.seed,
        serial_log: files.serial_log,
        network_xml: interface(&definition.network),
        console: ("pty", String::new()),
        qemu_args: emulated_cpu(architecture, runs_on),
    }
}

/// Arm guests sign pointers with every call, and the real algorithm is far too slow to emulate.
/// libvirt has no word for QEMU's own one. Of two `-cpu` QEMU takes the last, which is
/// this one. `-accel` cannot be said again: libvirt gives one, and QEMU takes the first that works.
fn emulated_cpu(architecture: VmArchitecture, runs_on: Accelerator) -> Vec<String> {
    match (architecture, runs_on) {
        (VmArchitecture::Aarch64, Accelerator::Tcg) => {
            ["-cpu", "max,pauth-impdef=on"].map(str::to_owned).to_vec()
        }
        (VmArchitecture::X86_64, _) | (_, Accelerator::Kvm) => vec![],
    }
}

/// Without an option ROM: nothing starts from the network, and not every host has one.
fn interface(network: &VmNetwork) -> String {
    let inside = "<model type='virtio'/><rom enabled='no'/>";
    match network {
        VmNetwork::Libvirt(name) => {
            let name = escape(name);
            format!("<interface type='network'><source network='{name}'/>{inside}</interface>")
        }
        VmNetwork::User => format!("<interface type='user'>{inside}</interface>"),
    }
}

impl DomainXmlParams {
    /// What runs it, for messages.
    pub const fn accelerator(&self) -> &'static str {
        self.runs_on.describe()
    }

    /// The same, with a socket as the other end of the first serial port.
    #[must_use]
    pub fn with_console(mut self, socket: &HostPath) -> Self {
        let socket = escape(socket.as_str());
        self.console = ("unix", format!("<source mode='bind' path='{socket}'/>"));
        self
    }

    /// SHA-256 of the document, in hexadecimal. It does not depend on the domain's UUID: whether a
    /// domain has to be defined anew can be told without knowing it.
    pub fn fingerprint(&self) -> String {
        let document = self.document("", "");
        format!("{:x}", Sha256::digest(document))
    }

    /// The document that libvirt is given.
    pub fn to_xml(&self) -> String {
        self.document(&self.uuid.to_string(), &self.fingerprint())
    }

    /// The first serial port, which is the console, too.
    fn serial(&self) -> String {
        let ((kind, end), log) = (&self.console, escape(self.serial_log.as_str()));
        format!(
            "<serial type='{kind}'>{end}<log file='{log}' append='off'/><target port='0'/></serial>
    <console type='{kind}'>{end}<target type='serial' port='0'/></console>"
        )
    }

    fn document(&self, uuid: &str, fingerprint: &str) -> String {
        format!(
            "<domain type='{}' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{}</name>
  <uuid>{uuid}</uuid>
  <metadata><fleet:device xmlns:fleet='{NAMESPACE}' fingerprint='{fingerprint}'/></metadata>
  <memory unit='MiB'>{}</memory>
  <vcpu>{}</vcpu>
  <os>
    <type arch='{}' machine='{}'>hvm</type>
    <loader readonly='yes' type='pflash'>{}</loader>
    <nvram>{}</nvram>
    <boot dev='hd'/>
  </os>
  <features><acpi/></features>
  {}
  <clock offset='utc'/>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>{}</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='{}'/>
      <source file='{}'/><target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file' device='disk'>
      <driver name='qemu' type='raw'/>
      <source file='{}'/><target dev='vdb' bus='virtio'/><readonly/>
    </disk>
    {}
    {}
    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
  </devices>
  <qemu:commandline>{}</qemu:commandline>
</domain>
",
            self.runs_on.domain_type(),
            escape(self.name.as_str()),
            self.memory_mib,
            self.vcpus,
            self.architecture.uname(),
            escape(self.machine),
            escape(self.firmware_code.as_str()),
            escape(self.vars.as_str()),
            self.cpu_xml,
            escape(self.emulator.as_str()),
            self.disk_cache.as_str(),
            escape(self.disk.as_str()),
            escape(self.seed.as_str()),
            self.network_xml,
            self.serial(),
            self.qemu_args
                .iter()
                .map(|arg| argument(arg))
                .collect::<String>(),
        )
    }
}

fn argument(text: &str) -> String {
    format!("<qemu:arg value='{}'/>", escape(text))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use proptest::prelude::*;
    use roxmltree::Document;

    use super::super::fixtures::{definition, host, path};
    use super::super::ownership::{Ownership, ownership};
    use super::*;

    const X86: VmArchitecture = VmArchitecture::X86_64;
    const ARM: VmArchitecture = VmArchitecture::Aarch64;

    fn uuid() -> Uuid {
        let uuid = "0d3a5f2e-6f0b-4a53-9d4c-0c8f2b7a9e11".parse();
        uuid.expect("a UUID")
    }

    fn on(host_is: VmArchitecture, guest: VmArchitecture) -> DomainXmlParams {
        resolve(&definition(guest), &host(host_is, guest), uuid())
    }

    #[test]
    fn an_x86_guest_of_its_own_kind() {
        let domain = on(X86, X86);
        assert_eq!(domain.accelerator(), "KVM");
        insta::assert_snapshot!(domain.to_xml());
    }

    #[test]
    fn an_x86_guest_without_kvm() {
        let host = HostFacts {
            kvm_usable: false,
            ..host(X86, X86)
        };
        let domain = resolve(&definition(X86), &host, uuid());
        assert_eq!(domain.accelerator(), "TCG (emulated, without KVM)");
        insta::assert_snapshot!(domain.to_xml());
    }

    #[test]
    fn an_arm_guest_of_its_own_kind() {
        insta::assert_snapshot!(on(ARM, ARM).to_xml());
    }

    #[test]
    fn an_arm_guest_on_x86() {
        insta::assert_snapshot!(on(X86, ARM).to_xml());
    }

    #[test]
    fn a_guest_with_user_networking_and_names_that_need_care() {
        let mut definition = definition(X86);
        definition.network = VmNetwork::User;
        definition.files.disk = path("/srv/<a> & 'b' \"c\"/disk.qcow2");
        insta::assert_snapshot!(resolve(&definition, &host(X86, X86), uuid()).to_xml());
    }

    #[test]
    fn what_was_defined_is_recognised_and_any_change_is_noticed() {
        let domain = on(X86, X86);
        let fingerprint = domain.fingerprint();
        assert_eq!(fingerprint.len(), 64);
        let ours = Ownership::Ours {
            fingerprint: fingerprint.clone(),
        };
        assert_eq!(ownership(&domain.to_xml()), ours);
        let under_another_uuid = DomainXmlParams {
            uuid: Uuid::from_bytes([7; 16]),
            ..domain.clone()
        };
        assert_eq!(under_another_uuid.fingerprint(), fingerprint);
        let larger = DomainXmlParams {
            memory_mib: NonZeroU32::new(2048).expect("not zero"),
            ..domain.clone()
        };
        let elsewhere = DomainXmlParams {
            disk: path("/elsewhere"),
            ..domain.clone()
        };
        for changed in [larger, elsewhere, on(ARM, X86), on(ARM, ARM)] {
            assert_ne!(changed.fingerprint(), fingerprint);
        }
    }

    proptest! {
        #[test]
        fn no_path_or_network_leaves_its_place(
            text in "[<>&\"'/ a-z\\]\\[!-]{0,30}",
            network in any::<String>(),
        ) {
            let plain = elements(&on(X86, X86).to_xml());
            let mut definition = definition(X86);
            definition.files.disk = path(&format!("/{text}"));
            definition.files.vars = path(&format!("/{text}"));
            definition.network = VmNetwork::Libvirt(network);
            let document = resolve(&definition, &host(X86, X86), uuid()).to_xml();
            prop_assert_eq!(elements(&document), plain);
        }
    }

    fn elements(document: &str) -> Vec<String> {
        let document = Document::parse(document).expect("XML");
        let elements = document.descendants().filter(roxmltree::Node::is_element);
        elements.map(|it| it.tag_name().name().to_owned()).collect()
    }
}
