//! Domains, judged by libvirt's own schema.

use std::num::{NonZeroU16, NonZeroU32};
use std::process::Command;

use fleet_devices_core::VmArchitecture;
use fleet_devices_core::vm::{
    DiskCache, HostFacts, HostPath, VmDefinition, VmFiles, VmNetwork, resolve,
};
use uuid::Uuid;

fn path(text: &str) -> HostPath {
    text.parse().expect("an absolute path")
}

fn domain(
    guest: VmArchitecture,
    host: VmArchitecture,
    kvm_usable: bool,
    network: VmNetwork,
) -> String {
    let folder = "/srv/<a> & 'b' \"c\"";
    let file = |name: &str| path(&format!("{folder}/{name}"));
    let definition = VmDefinition {
        name: "pi-1".parse().expect("a name"),
        architecture: guest,
        vcpus: NonZeroU16::MIN,
        memory_mib: NonZeroU32::MIN,
        files: VmFiles {
            disk: file("disk.qcow2"),
            seed: file("seed.img"),
            vars: file("vars.fd"),
            serial_log: file("console.log"),
        },
        disk_cache: DiskCache::Unsafe,
        network,
    };
    let facts = HostFacts {
        architecture: host,
        kvm_usable,
        emulator: path("/usr/bin/qemu"),
        firmware_code: path("/usr/share/code.fd"),
    };
    resolve(&definition, &facts, Uuid::from_bytes([7; 16])).to_xml()
}

/// What the validator complains about; `None` where there is none.
fn complaint(domain: &str) -> Option<String> {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("domain.xml");
    std::fs::write(&file, domain).expect("written");
    let validator = Command::new("virt-xml-validate")
        .arg(&file)
        .arg("domain")
        .output();
    let output = validator.expect("it runs");
    (!output.status.success()).then(|| String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn libvirts_schema_knows_every_domain() {
    if Command::new("virt-xml-validate")
        .arg("--help")
        .output()
        .is_err()
    {
        eprintln!("skipped: virt-xml-validate is not installed");
        return;
    }
    for guest in VmArchitecture::ALL {
        for host in VmArchitecture::ALL {
            for kvm in [true, false] {
                for network in [VmNetwork::User, VmNetwork::Libvirt("default".to_owned())] {
                    let domain = domain(guest, host, kvm, network);
                    assert_eq!(complaint(&domain), None, "{domain}");
                }
            }
        }
    }
    // Otherwise this would say nothing.
    let right = domain(
        VmArchitecture::X86_64,
        VmArchitecture::X86_64,
        true,
        VmNetwork::User,
    );
    for (what, other) in [
        ("<vcpu>", "<vcpu count='1'>"),
        ("type='pflash'", "type='flash'"),
    ] {
        assert!(complaint(&right.replace(what, other)).is_some(), "{other}");
    }
}
