//! Plain QEMU, for hosts without libvirt.

use std::num::NonZeroU16;

use super::accelerator::Accelerator;
use super::definition::{Forward, HostFacts, VmDefinition};
use super::path::HostPath;
use crate::architecture::VmArchitecture;

/// What QEMU has to be told beyond what the virtual machine is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlainQemu {
    /// The socket of its monitor, which speaks QMP.
    pub monitor: HostPath,
    /// The socket of its first serial port. What is written to it is in the log, too, whether somebody
    /// listens or not.
    pub console: HostPath,
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
            "-chardev".to_owned(),
            self.console(definition),
            "-serial".to_owned(),
            "chardev:console".to_owned(),
            "-qmp".to_owned(),
            format!("unix:{},server=on,wait=off", escape_value(&self.monitor)),
            "-pidfile".to_owned(),
            // The one value that is taken as it stands.
            self.pidfile.to_string(),
            "-daemonize".to_owned(),
        ];
        let devices = devices(definition, host, &self.netdev());
        board.into_iter().chain(process).chain(devices).collect()
    }

    fn console(&self, definition: &VmDefinition) -> String {
        let socket = escape_value(&self.console);
        let log = escape_value(&definition.files.serial_log);
        format!("socket,id=console,path={socket},server=on,wait=off,logfile={log},logappend=off")
    }

    fn netdev(&self) -> String {
        let forwards = self.forwards.iter();
        let rules = forwards.map(|forward| format!(",hostfwd={}", forward.rule()));
        let rules = rules.collect::<String>();
        format!("user,id=n0,hostfwd=tcp:127.0.0.1:{}-:22{rules}", self.ssh)
    }
}

/// Whether a process is the one that was started with these arguments' pidfile, by its command line as
/// `/proc/<pid>/cmdline` has it: a process id is given to somebody else sooner or later, and a pidfile
/// outlives a host that falls.
pub fn is_machine_of(pidfile: &HostPath, command_line: &[u8]) -> bool {
    let words: Vec<_> = command_line.split(|byte| *byte == 0).collect();
    let ours = [b"-pidfile".as_slice(), pidfile.as_str().as_bytes()];
    words.windows(2).any(|pair| pair == ours)
}

/// The arguments in a command line as `/proc/<pid>/cmdline` has it.
pub fn arguments_of(command_line: &[u8]) -> Vec<String> {
    let words = command_line.strip_suffix(b"\0").unwrap_or(command_line);
    let words = words.split(|byte| *byte == 0).skip(1);
    words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// What runs the guest of a QEMU that was started with these.
pub fn accelerator_of(arguments: &[String]) -> Option<Accelerator> {
    let at = arguments.iter().position(|word| word == "-accel")?;
    match arguments.get(at + 1)?.split(',').next()? {
        "kvm" => Some(Accelerator::Kvm),
        "tcg" => Some(Accelerator::Tcg),
        _ => None,
    }
}

/// What differs between two lines of arguments, for people.
pub fn argument_difference(before: &[String], after: &[String]) -> Vec<String> {
    let gone = before.iter().filter(|word| !after.contains(word));
    let come = after.iter().filter(|word| !before.contains(word));
    let gone = gone.map(|word| format!("- {word}"));
    gone.chain(come.map(|word| format!("+ {word}"))).collect()
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
            console: path("/run/fleet/pi-1/console.sock"),
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
    fn a_process_is_known_by_the_pidfile_it_was_started_with() {
        let arguments = plain().arguments(&definition(X86), &host(X86, X86));
        let line = ["qemu-system-x86_64"].into_iter();
        let line = line.chain(arguments.iter().map(String::as_str));
        let line = line.flat_map(|word| word.bytes().chain([0]));
        let line: Vec<u8> = line.collect();
        assert!(is_machine_of(&path("/run/fleet/pi-1/pid"), &line));
        assert_eq!(arguments_of(&line), arguments);
        assert_eq!(accelerator_of(&arguments), Some(Accelerator::Kvm));
        assert!(!is_machine_of(&path("/run/fleet/pi-1/pi"), &line));
        assert!(!is_machine_of(&path("/run/fleet/pi-2/pid"), &line));
        assert!(!is_machine_of(
            &path("/run/fleet/pi-1/pid"),
            b"cat\0/run/fleet/pi-1/pid\0"
        ));
        assert!(!is_machine_of(&path("/run/fleet/pi-1/pid"), b""));
    }

    #[test]
    fn other_arguments_are_told_by_those_that_differ() {
        let arguments = plain().arguments(&definition(X86), &host(X86, X86));
        assert_eq!(argument_difference(&arguments, &arguments), [""; 0]);
        let slow = HostFacts {
            kvm_usable: false,
            ..host(X86, X86)
        };
        let emulated = plain().arguments(&definition(X86), &slow);
        assert_eq!(accelerator_of(&emulated), Some(Accelerator::Tcg));
        let difference = argument_difference(&arguments, &emulated);
        let expected = ["- kvm", "- host", "+ tcg,thread=multi,tb-size=512", "+ max"];
        assert_eq!(difference, expected);
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
        plain.console = path("/n,o");
        let mut host = host(X86, X86);
        host.firmware_code = path("/l,m");
        let arguments = plain.arguments(&definition, &host);
        for expected in [
            "if=none,id=disk,format=qcow2,cache=writeback,file=/a,,b",
            "if=none,id=seed,format=raw,readonly=on,file=/c,,readonly=off",
            "if=pflash,unit=1,format=raw,file=/d,,,,e",
            "if=pflash,unit=0,format=raw,readonly=on,file=/l,,m",
            "unix:/h,,i,server=on,wait=off",
            "socket,id=console,path=/n,,o,server=on,wait=off,logfile=/f,,g,logappend=off",
            "/j,k",
        ] {
            let found = arguments.iter().any(|argument| argument == expected);
            assert!(found, "{expected} in {arguments:?}");
        }
    }
}
