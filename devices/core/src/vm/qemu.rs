//! Plain QEMU, for hosts without libvirt.

use std::num::NonZeroU16;

use super::accelerator::Accelerator;
use super::definition::{Forward, HostFacts, VmDefinition};
use super::path::HostPath;
use crate::architecture::VmArchitecture;

/// What QEMU has to be told beyond what the virtual machine is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainQemu {
    /// The socket of its monitor.
    pub monitor: HostPath,
    /// Where it writes its process id.
    pub pidfile: HostPath,
    /// The host's port that leads to the guest's SSH.
    pub ssh: NonZeroU16,
    /// Further ports.
    pub forwards: Vec<Forward>,
}

impl PlainQemu {
    /// The arguments of [`HostFacts::emulator`], each as the program gets it: no shell reads them.
    /// QEMU checks them, starts the guest and comes back. The guest gets user networking, whatever
    /// the definition says of libvirt's.
    pub fn arguments(&self, definition: &VmDefinition, host: &HostFacts) -> Vec<String> {
        let accelerator = host.accelerator(definition.architecture);
        let board = board(definition, host, accelerator);
        let process = [
            "-display".to_owned(),
            "none".to_owned(),
            "-no-user-config".to_owned(),
            "-nodefaults".to_owned(),
            "-serial".to_owned(),
            // The one value that is taken as it stands.
            format!("file:{}", definition.files.serial_log),
            "-monitor".to_owned(),
            format!("unix:{},server,nowait", escape_value(&self.monitor)),
            "-pidfile".to_owned(),
            self.pidfile.to_string(),
            "-daemonize".to_owned(),
        ];
        let devices = devices(definition, host, &self.netdev());
        board.into_iter().chain(process).chain(devices).collect()
    }

    fn netdev(&self) -> String {
        let forwards = self.forwards.iter();
        let rules = forwards.map(|forward| format!(",hostfwd={}", forward.rule()));
        let rules = rules.collect::<String>();
        format!("user,id=n0,hostfwd=tcp:127.0.0.1:{}-:22{rules}", self.ssh)
    }
}

/// A path inside an option of several values: a comma begins the next one, two are one comma.
pub fn escape_value(path: &HostPath) -> String {
    path.as_str().replace(',', ",,")
}

fn board(definition: &VmDefinition, host: &HostFacts, accelerator: Accelerator) -> [String; 10] {
    let cpu = match (accelerator, definition.architecture) {
        (Accelerator::Kvm, _) => "host",
        (Accelerator::Tcg, VmArchitecture::X86_64) => "max",
        // The real algorithm that signs pointers is far too slow to emulate.
        (Accelerator::Tcg, VmArchitecture::Aarch64) => "max,pauth-impdef=on",
    };
    let accelerator = match accelerator {
        Accelerator::Kvm => "kvm",
        Accelerator::Tcg => translator(definition.architecture, host.architecture),
    };
    [
        "-M".to_owned(),
        definition.architecture.machine().to_owned(),
        "-accel".to_owned(),
        accelerator.to_owned(),
        "-cpu".to_owned(),
        cpu.to_owned(),
        "-smp".to_owned(),
        definition.vcpus.to_string(),
        "-m".to_owned(),
        definition.memory_mib.to_string(),
    ]
}

/// One thread for each virtual processor, where the host orders its accesses to memory as strictly
/// as the guest expects. x86 expects more than Arm gives: there QEMU decides.
const fn translator(guest: VmArchitecture, host: VmArchitecture) -> &'static str {
    match (guest, host) {
        (VmArchitecture::X86_64, VmArchitecture::Aarch64) => "tcg,tb-size=512",
        (VmArchitecture::X86_64, VmArchitecture::X86_64) | (VmArchitecture::Aarch64, _) => {
            "tcg,thread=multi,tb-size=512"
        }
    }
}

fn devices(definition: &VmDefinition, host: &HostFacts, netdev: &str) -> [String; 18] {
    let files = &definition.files;
    let (code, vars) = (escape_value(&host.firmware_code), escape_value(&files.vars));
    let (disk, seed) = (escape_value(&files.disk), escape_value(&files.seed));
    let cache = definition.disk_cache.as_str();
    [
        "-drive".to_owned(),
        format!("if=pflash,unit=0,format=raw,readonly=on,file={code}"),
        "-drive".to_owned(),
        format!("if=pflash,unit=1,format=raw,file={vars}"),
        "-drive".to_owned(),
        format!("if=none,id=disk,format=qcow2,cache={cache},file={disk}"),
        "-device".to_owned(),
        "virtio-blk-pci,drive=disk,bootindex=1".to_owned(),
        "-drive".to_owned(),
        format!("if=none,id=seed,format=raw,readonly=on,file={seed}"),
        "-device".to_owned(),
        "virtio-blk-pci,drive=seed".to_owned(),
        "-netdev".to_owned(),
        netdev.to_owned(),
        "-device".to_owned(),
        // Nothing starts from the network, and not every host has the ROM for it.
        "virtio-net-pci,netdev=n0,romfile=".to_owned(),
        "-device".to_owned(),
        "virtio-rng-pci".to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::definition::DiskCache;
    use super::super::fixtures::{definition, host, path, port};
    use super::*;

    const X86: VmArchitecture = VmArchitecture::X86_64;
    const ARM: VmArchitecture = VmArchitecture::Aarch64;

    fn plain() -> PlainQemu {
        PlainQemu {
            monitor: path("/run/fleet/pi-1/monitor.sock"),
            pidfile: path("/run/fleet/pi-1/pid"),
            ssh: port(2222),
            forwards: vec![],
        }
    }

    fn lines(arguments: &[String]) -> String {
        arguments.join("\n")
    }

    #[test]
    fn an_x86_guest_with_kvm() {
        let arguments = plain().arguments(&definition(X86), &host(X86, X86));
        insta::assert_snapshot!(lines(&arguments));
    }

    #[test]
    fn an_x86_guest_for_a_test_without_kvm() {
        let host = HostFacts {
            kvm_usable: false,
            ..host(X86, X86)
        };
        let mut definition = definition(X86);
        definition.disk_cache = DiskCache::Unsafe;
        insta::assert_snapshot!(lines(&plain().arguments(&definition, &host)));
    }

    #[test]
    fn an_arm_guest_with_kvm() {
        let arguments = plain().arguments(&definition(ARM), &host(ARM, ARM));
        insta::assert_snapshot!(lines(&arguments));
    }

    #[test]
    fn an_arm_guest_on_x86_with_further_ports() {
        let mut plain = plain();
        plain.forwards = vec![
            Forward {
                host: port(8080),
                guest: port(80),
            },
            Forward {
                host: port(4443),
                guest: port(443),
            },
        ];
        let arguments = plain.arguments(&definition(ARM), &host(X86, ARM));
        insta::assert_snapshot!(lines(&arguments));
    }

    #[test]
    fn an_x86_guest_on_arm_keeps_its_order_of_memory() {
        let arguments = plain().arguments(&definition(X86), &host(ARM, X86));
        assert!(arguments.contains(&"tcg,tb-size=512".to_owned()));
    }

    #[test]
    fn commas_stay_in_their_paths() {
        let mut definition = definition(X86);
        definition.files.disk = path("/a,b");
        definition.files.seed = path("/c,readonly=off");
        definition.files.vars = path("/d,,e");
        definition.files.serial_log = path("/f,g");
        let mut plain = plain();
        plain.monitor = path("/h,i");
        plain.pidfile = path("/j,k");
        let mut host = host(X86, X86);
        host.firmware_code = path("/l,m");
        let arguments = plain.arguments(&definition, &host);
        for expected in [
            "if=none,id=disk,format=qcow2,cache=writeback,file=/a,,b",
            "if=none,id=seed,format=raw,readonly=on,file=/c,,readonly=off",
            "if=pflash,unit=1,format=raw,file=/d,,,,e",
            "if=pflash,unit=0,format=raw,readonly=on,file=/l,,m",
            "unix:/h,,i,server,nowait",
            "file:/f,g",
            "/j,k",
        ] {
            let found = arguments.iter().any(|argument| argument == expected);
            assert!(found, "{expected} in {arguments:?}");
        }
    }
}
