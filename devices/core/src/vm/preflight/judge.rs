use super::super::accelerator::Accelerator;
use super::super::kvm_host::KvmHost;
use super::facts::{Backend, DefaultNetwork, KvmDevice, LibvirtFacts, PreflightFacts, Wanted};
use super::fix::Fix;
use crate::architecture::VmArchitecture;
use crate::host::{Family, Need};

/// How a prerequisite stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It is met.
    Good,
    /// It works, and could be better.
    Warning,
    /// It is missed, and nothing will work.
    Miss,
}

impl Verdict {
    /// For people and machines.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Warning => "warning",
            Self::Miss => "missing",
        }
    }
}

/// A prerequisite, and how it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its stable name.
    pub name: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was found.
    pub says: String,
    /// What makes it right, one way for each kind of system.
    pub fixes: Vec<Fix>,
}

impl Check {
    fn good(name: &'static str, says: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Good,
            says: says.into(),
            fixes: vec![],
        }
    }

    fn warning(name: &'static str, says: impl Into<String>, fixes: Vec<Fix>) -> Self {
        Self {
            verdict: Verdict::Warning,
            fixes,
            ..Self::good(name, says)
        }
    }

    fn miss(name: &'static str, says: impl Into<String>, fixes: Vec<Fix>) -> Self {
        Self {
            verdict: Verdict::Miss,
            fixes,
            ..Self::good(name, says)
        }
    }

    /// The ways that are good on such a system: all of them where it is not known.
    pub fn fixes_for(&self, family: Option<Family>) -> impl Iterator<Item = &Fix> {
        let known = self.fixes.iter().any(|fix| fix.family == family);
        let fixes = self.fixes.iter();
        fixes.filter(move |fix| !known || fix.family.is_none() || fix.family == family)
    }
}

/// The oldest QEMU that aarch64 guests are at ease with.
const AT_EASE: (u32, u32) = (9, 1);

/// What each prerequisite comes to, in the order in which they are put right.
pub fn judge(wanted: &Wanted, facts: &PreflightFacts) -> Vec<Check> {
    let mut checks = Vec::new();
    if !is_silent(wanted, facts) {
        checks.push(emulator(wanted, facts));
        checks.push(accelerator(wanted, facts));
        checks.push(firmware(wanted, facts));
    }
    if let Backend::Qemu | Backend::Libvirt(KvmHost::System | KvmHost::Session) = wanted.backend {
        checks.push(qemu_img(facts));
        checks.push(disk(wanted, facts));
    }
    if let (Backend::Libvirt(uri), Some(libvirt)) = (&wanted.backend, &facts.libvirt) {
        checks.extend(of_libvirt(uri, libvirt));
    }
    checks
}

/// Whether nothing is known of the machine in question: another one, whose libvirt does not answer.
fn is_silent(wanted: &Wanted, facts: &PreflightFacts) -> bool {
    let elsewhere = matches!(wanted.backend, Backend::Libvirt(KvmHost::Remote(_)));
    let answers = facts.libvirt.as_ref().map(|libvirt| &libvirt.answers);
    elsewhere && !matches!(answers, Some(Ok(())))
}

fn emulator(wanted: &Wanted, facts: &PreflightFacts) -> Check {
    let (name, guest) = ("emulator", wanted.architecture);
    let program = guest.emulator();
    let install = || Fix::install(&[Need::Emulator(guest)]);
    let Some(said) = &facts.emulator else {
        return Check::miss(name, format!("there is no {program}"), install());
    };
    let Some((version, text)) = version(said) else {
        let says = format!("{program} does not say which version it is");
        return Check::warning(name, says, install());
    };
    if guest == VmArchitecture::Aarch64 && version < AT_EASE {
        let says = format!(
            "{program} {text} is older than {}.{}; should a guest hang or crawl, try a newer one first",
            AT_EASE.0, AT_EASE.1
        );
        return Check::warning(name, says, vec![]);
    }
    Check::good(name, format!("{program} {text}"))
}

/// The first two numbers of a text such as `QEMU emulator version 7.2.22 (Debian …)`, and all of them.
fn version(said: &str) -> Option<((u32, u32), &str)> {
    let (_, text) = said.split_once("version ")?;
    let text = text.split(|c: char| c != '.' && !c.is_ascii_digit());
    let text = text.into_iter().next()?;
    let mut numbers = text.split('.').map(str::parse);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return None;
    };
    Some(((major, minor), text))
}

fn accelerator(wanted: &Wanted, facts: &PreflightFacts) -> Check {
    let (name, guest) = ("accelerator", wanted.architecture);
    let (kvm, tcg) = (Accelerator::Kvm, Accelerator::Tcg);
    if facts.architecture != Some(guest) {
        let host = facts
            .architecture
            .map_or("another processor", VmArchitecture::uname);
        return Check::warning(name, format!("{tcg}: {guest} on {host}"), vec![]);
    }
    match facts.kvm {
        KvmDevice::Usable => Check::good(name, kvm.describe()),
        KvmDevice::Absent => {
            let says = format!(
                "{tcg}: there is no /dev/kvm; switch virtualization on in the firmware's set-up, or let the \
                 machine around this one offer it"
            );
            Check::warning(
                name,
                says,
                Fix::everywhere("sudo modprobe -a kvm_intel kvm_amd"),
            )
        }
        KvmDevice::Broken => {
            let says = format!(
                "{tcg}: QEMU cannot use /dev/kvm, as in a virtual machine whose host lets no others run inside"
            );
            Check::warning(name, says, vec![])
        }
        KvmDevice::Denied => {
            let says = format!("{tcg}: this user may not open /dev/kvm");
            let join = "sudo usermod --append --groups kvm $USER # then log in again";
            Check::warning(name, says, Fix::everywhere(join))
        }
    }
}

fn firmware(wanted: &Wanted, facts: &PreflightFacts) -> Check {
    let name = "firmware";
    match &facts.firmware {
        Ok(firmware) => Check::good(name, &*firmware.code),
        Err(error) => {
            let fixes = Fix::install(&[Need::Firmware(wanted.architecture)]);
            Check::miss(name, error.to_string(), fixes)
        }
    }
}

fn qemu_img(facts: &PreflightFacts) -> Check {
    let name = "qemu-img";
    if facts.qemu_img {
        return Check::good(name, "found");
    }
    let says = "there is no qemu-img, which makes disks";
    Check::miss(name, says, Fix::install(&[Need::QemuTools]))
}

fn disk(wanted: &Wanted, facts: &PreflightFacts) -> Check {
    const GIB: f64 = 1_073_741_824.0;
    let name = "disk";
    let Some(disk) = &facts.disk else {
        return Check::warning(name, "how much is free is not known", vec![]);
    };
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let gib = |bytes: u64| bytes as f64 / GIB;
    let (path, free, needed) = (&disk.path, gib(disk.free), gib(wanted.disk_bytes));
    let says = format!("{free:.1} GiB free in {path}, {needed:.1} GiB needed");
    if disk.free >= wanted.disk_bytes {
        return Check::good(name, says);
    }
    let elsewhere = "export FLEET_HOME=/a/folder/with/more/room";
    Check::miss(name, says, Fix::everywhere(elsewhere))
}

fn of_libvirt(uri: &KvmHost, facts: &LibvirtFacts) -> Vec<Check> {
    let mut checks = Vec::new();
    if !facts.virsh {
        let says = "there is no virsh, which asks libvirt";
        checks.push(Check::miss(
            "virsh",
            says,
            Fix::install(&[Need::LibvirtClient]),
        ));
        return checks;
    }
    checks.push(Check::good("virsh", "found"));
    let group = *uri == KvmHost::System;
    if group && !facts.allowed {
        let says = "this user is neither root nor in the group libvirt";
        let join = "sudo usermod --append --groups libvirt $USER # then log in again";
        checks.push(Check::miss("libvirt group", says, Fix::everywhere(join)));
    } else if group {
        checks.push(Check::good("libvirt group", "allowed"));
    }
    checks.push(connection(uri, facts));
    checks.extend(network(uri, facts.network));
    checks
}

fn connection(uri: &KvmHost, facts: &LibvirtFacts) -> Check {
    let name = "libvirt";
    let Err(told) = &facts.answers else {
        return Check::good(name, format!("{uri} answers"));
    };
    let says = format!("{uri} does not answer: {told}");
    let fixes = match uri {
        KvmHost::Remote(remote) => {
            let port = remote.port().map(|port| format!(" -p {port}"));
            let host = remote.host().trim_matches(['[', ']']);
            let login = format!(
                "ssh{} {}@{host} virsh list",
                port.unwrap_or_default(),
                remote.user()
            );
            Fix::everywhere(&login)
        }
        KvmHost::System | KvmHost::Session => {
            let mut fixes = Fix::install(Need::LIBVIRT);
            for fix in &mut fixes {
                let unit = match fix.family {
                    Some(Family::Fedora) => "virtqemud.socket virtnetworkd.socket",
                    _ => "libvirtd.service",
                };
                if *uri == KvmHost::System {
                    fix.then(&format!("sudo systemctl enable --now {unit}"));
                }
            }
            fixes
        }
    };
    Check::miss(name, says, fixes)
}

fn network(uri: &KvmHost, network: DefaultNetwork) -> Option<Check> {
    let name = "network";
    let start = format!("virsh -c {uri} net-autostart default && virsh -c {uri} net-start default");
    Some(match network {
        DefaultNetwork::NotNeeded | DefaultNetwork::Unknown => return None,
        DefaultNetwork::Active => Check::good(name, "default is active"),
        DefaultNetwork::Inactive => Check::miss(
            name,
            "the network default is not active",
            Fix::everywhere(&start),
        ),
        DefaultNetwork::Missing => {
            let mut fixes = Fix::install(&[Need::LibvirtNetwork, Need::Dhcp]);
            for fix in &mut fixes {
                fix.then(&start);
            }
            Check::miss(name, "there is no network default", fixes)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::super::super::firmware::{Firmware, FirmwareError};
    use super::super::facts::Disk;
    use super::*;

    const ARM: VmArchitecture = VmArchitecture::Aarch64;
    const X86: VmArchitecture = VmArchitecture::X86_64;
    const GIB: u64 = 1 << 30;

    fn wanted(architecture: VmArchitecture, uri: Option<&str>) -> Wanted {
        let libvirt = |uri: &str| Backend::Libvirt(uri.parse().expect("a connection"));
        Wanted {
            architecture,
            backend: uri.map_or(Backend::Qemu, libvirt),
            disk_bytes: 10 * GIB,
        }
    }

    fn complete(architecture: VmArchitecture) -> PreflightFacts {
        PreflightFacts {
            family: Some(Family::Debian),
            architecture: Some(architecture),
            emulator: Some("QEMU emulator version 9.1.0 (Debian 1:9.1)\nCopyright".to_owned()),
            qemu_img: true,
            firmware: Firmware::find(architecture, |_| true),
            kvm: KvmDevice::Usable,
            disk: Some(Disk {
                path: "/home/jo".to_owned(),
                free: 10 * GIB,
            }),
            libvirt: Some(LibvirtFacts {
                virsh: true,
                answers: Ok(()),
                allowed: true,
                network: DefaultNetwork::Active,
            }),
        }
    }

    fn bare(architecture: VmArchitecture) -> PreflightFacts {
        PreflightFacts {
            family: None,
            architecture: Some(X86),
            emulator: None,
            qemu_img: false,
            firmware: Err(FirmwareError::NotFound(architecture)),
            kvm: KvmDevice::Absent,
            disk: Some(Disk {
                path: "/home/jo".to_owned(),
                free: 2 * GIB,
            }),
            libvirt: Some(LibvirtFacts {
                virsh: true,
                answers: Err("Failed to connect socket".to_owned()),
                allowed: false,
                network: DefaultNetwork::Missing,
            }),
        }
    }

    fn shown(checks: &[Check]) -> String {
        let mut lines = Vec::new();
        for check in checks {
            lines.push(format!(
                "{} {}: {}",
                check.verdict.as_str(),
                check.name,
                check.says
            ));
            let fixes = check.fixes.iter();
            lines.extend(fixes.map(|fix| format!("    {}: {}", fix.key(), fix.command)));
        }
        lines.join("\n")
    }

    #[test]
    fn where_everything_is_there_nothing_is_missed() {
        for architecture in VmArchitecture::ALL {
            for uri in [
                None,
                Some("qemu:///system"),
                Some("qemu:///session"),
                Some("qemu+ssh://a@b/system"),
            ] {
                let checks = judge(&wanted(architecture, uri), &complete(architecture));
                let good = |check: &Check| check.verdict == Verdict::Good && check.fixes.is_empty();
                assert!(checks.iter().all(good), "{}", shown(&checks));
            }
        }
    }

    #[test]
    fn every_miss_says_what_to_type() {
        let checks = judge(&wanted(ARM, Some("qemu:///system")), &bare(ARM));
        insta::assert_snapshot!(shown(&checks));
    }

    #[test]
    fn of_a_machine_that_does_not_answer_nothing_else_is_said() {
        let checks = judge(&wanted(ARM, Some("qemu+ssh://a@b:2222/system")), &bare(ARM));
        let names: Vec<_> = checks.iter().map(|check| check.name).collect();
        assert_eq!(names, ["virsh", "libvirt", "network"]);
        assert_eq!(checks[1].fixes[0].command, "ssh -p 2222 a@b virsh list");
    }

    #[test]
    fn what_emulates_is_said_and_why() {
        let says = |guest, host, kvm| {
            let facts = PreflightFacts {
                architecture: Some(host),
                kvm,
                ..complete(guest)
            };
            let check = accelerator(&wanted(guest, None), &facts);
            (check.verdict, check.says)
        };
        assert_eq!(
            says(X86, X86, KvmDevice::Usable),
            (Verdict::Good, "KVM".to_owned())
        );
        for (guest, host, kvm, word) in [
            (ARM, X86, KvmDevice::Usable, "aarch64 on x86_64"),
            (X86, X86, KvmDevice::Absent, "no /dev/kvm"),
            (X86, X86, KvmDevice::Denied, "may not open"),
            (X86, X86, KvmDevice::Broken, "cannot use"),
        ] {
            let (verdict, says) = says(guest, host, kvm);
            assert_eq!(verdict, Verdict::Warning);
            assert!(says.starts_with("TCG") && says.contains(word), "{says}");
        }
    }

    #[test]
    fn an_old_qemu_is_warned_of_for_arm_only() {
        for (said, guest, verdict) in [
            (
                "QEMU emulator version 7.2.22 (Debian 1:7.2)",
                ARM,
                Verdict::Warning,
            ),
            ("QEMU emulator version 9.0.4", ARM, Verdict::Warning),
            ("QEMU emulator version 9.1.0", ARM, Verdict::Good),
            ("QEMU emulator version 10.0.2", ARM, Verdict::Good),
            ("QEMU emulator version 7.2.22", X86, Verdict::Good),
            ("gibberish", X86, Verdict::Warning),
            ("version x.y", X86, Verdict::Warning),
        ] {
            let facts = PreflightFacts {
                emulator: Some(said.to_owned()),
                ..complete(guest)
            };
            let check = emulator(&wanted(guest, None), &facts);
            assert_eq!(check.verdict, verdict, "{said}: {}", check.says);
        }
    }

    #[test]
    fn a_known_system_is_told_its_own_command_only() {
        let checks = judge(&wanted(X86, None), &bare(X86));
        let emulator = checks.first().expect("a check");
        assert_eq!(emulator.fixes_for(None).count(), 3);
        let fixes: Vec<_> = emulator.fixes_for(Some(Family::Arch)).collect();
        let commands: Vec<_> = fixes.iter().map(|fix| fix.command.as_str()).collect();
        assert_eq!(
            commands,
            ["sudo pacman -S --needed --noconfirm qemu-system-x86"]
        );
        assert_eq!(emulator.fixes_for(Some(Family::Alpine)).count(), 3);
    }

    #[test]
    fn the_network_is_known_by_what_virsh_says() {
        let info = "Name:           default\nActive:         yes\nPersistent:     yes\n";
        assert_eq!(DefaultNetwork::of(Some(info)), DefaultNetwork::Active);
        let inactive = info.replace("Active:         yes", "Active:         no");
        assert_eq!(
            DefaultNetwork::of(Some(&inactive)),
            DefaultNetwork::Inactive
        );
        assert_eq!(DefaultNetwork::of(None), DefaultNetwork::Missing);
    }
}
