//! What a machine has of what virtual machines need.
//!
//! Everything here only looks. What it comes to is decided by
//! [`judge`](fleet_devices_core::vm::preflight::judge).

use std::path::Path;
use std::time::Duration;

use fleet_devices_core::VmArchitecture;
use fleet_devices_core::host::{Command, Distribution, Family, Output};
use fleet_devices_core::vm::preflight::{
    Backend, Capabilities, Check, DefaultNetwork, Disk, KvmDevice, LibvirtFacts, PreflightFacts,
    Verdict, Wanted, emulator_version, judge,
};
use fleet_devices_core::vm::{Firmware, KvmHost};

use crate::host::{Local, Transport as _};
use crate::vm::plain::facts::{kvm_works, program};

/// How long libvirt may take to answer. It starts by itself where it does not run, and then asks every
/// emulator what it can do.
const ANSWERS_WITHIN: Duration = Duration::from_secs(120);

/// What is missed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}; `fleet-devices preflight` says more", lines(.0))]
pub struct Missed(pub Vec<Check>);

impl Missed {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        "PrerequisiteMissing"
    }
}

fn lines(missed: &[Check]) -> String {
    let lines = missed.iter().map(|check| {
        let mut fixes = check.fixes_for(family());
        let fix = fixes.next().map(|fix| format!(" (`{}`)", fix.command));
        format!("{}: {}{}", check.name, check.says, fix.unwrap_or_default())
    });
    lines.collect::<Vec<_>>().join("; ")
}

/// How every prerequisite stands. `folder` is where disks will lie.
pub async fn checks(wanted: &Wanted, folder: &Path) -> Vec<Check> {
    judge(wanted, &facts(wanted, folder).await)
}

/// Refuses where something is missed; otherwise what is worth a warning.
///
/// # Errors
/// With all that is missed.
pub async fn require(wanted: &Wanted, folder: &Path) -> Result<Vec<Check>, Missed> {
    let checks = checks(wanted, folder).await;
    let (missed, others): (Vec<_>, Vec<_>) = checks
        .into_iter()
        .partition(|check| check.verdict == Verdict::Miss);
    if missed.is_empty() {
        let warns = |check: &Check| check.verdict == Verdict::Warning;
        Ok(others.into_iter().filter(warns).collect())
    } else {
        Err(Missed(missed))
    }
}

/// Whose packages this machine has.
pub fn family() -> Option<Family> {
    let release = std::fs::read_to_string("/etc/os-release").ok()?;
    Some(Distribution::of(&release).ok()?.family)
}

async fn facts(wanted: &Wanted, folder: &Path) -> PreflightFacts {
    let guests = wanted.architecture;
    let mut facts = PreflightFacts {
        family: family(),
        architecture: std::env::consts::ARCH.parse().ok(),
        emulator: None,
        qemu_img: false,
        firmware: Firmware::find(guests, |path| Path::new(path).exists()),
        kvm: KvmDevice::Absent,
        disk: disk(folder),
        libvirt: None,
    };
    if let Backend::Libvirt(uri) = &wanted.backend {
        facts.libvirt = Some(libvirt(uri).await);
    }
    match &wanted.backend {
        Backend::Libvirt(uri @ KvmHost::Remote(_)) => {
            let answers = facts.libvirt.as_ref().is_some_and(|it| it.answers.is_ok());
            if answers {
                elsewhere(uri, guests, &mut facts).await;
            }
        }
        Backend::Qemu | Backend::Libvirt(KvmHost::System | KvmHost::Session) => {
            facts.emulator = said(guests.emulator(), &["--version"]).await;
            facts.qemu_img = said("qemu-img", &["--version"]).await.is_some();
            facts.kvm = kvm(guests).await;
        }
    }
    facts
}

/// Of another machine only libvirt tells anything.
async fn elsewhere(uri: &KvmHost, guests: VmArchitecture, facts: &mut PreflightFacts) {
    let uri = connection(uri);
    let asked = ["-c", &uri, "domcapabilities", "--arch", guests.uname()];
    let found = said("virsh", &asked).await;
    let found = found.as_deref().and_then(Capabilities::of);
    let version = said("virsh", &["-c", &uri, "version"]).await;
    facts.kvm = found
        .as_ref()
        .map_or(KvmDevice::Absent, Capabilities::kvm_device);
    // With KVM the guest is of the host's own kind.
    facts.architecture = found
        .as_ref()
        .filter(|it| it.kvm)
        .and_then(|it| it.architecture);
    facts.disk = None;
    let version = version.as_deref().and_then(emulator_version);
    facts.emulator = found
        .as_ref()
        .map(|it| version.unwrap_or_else(|| it.emulator.clone()));
    if let Some(found) = found {
        facts.firmware = found.firmware(guests);
    }
}

/// For virsh. On the way to another machine nobody is asked for a password or whether a host is known.
fn connection(uri: &KvmHost) -> String {
    match uri {
        KvmHost::Remote(_) => format!("{uri}?no_tty=1"),
        KvmHost::System | KvmHost::Session => uri.to_string(),
    }
}

async fn libvirt(uri: &KvmHost) -> LibvirtFacts {
    let virsh = said("virsh", &["--version"]).await.is_some();
    let text = connection(uri);
    let answers = match ask("virsh", &["-c", &text, "uri"]).await {
        Some(output) if output.status == 0 => Ok(()),
        Some(output) => Err(String::from_utf8_lossy(&output.errors)
            .trim()
            .replace("error: ", "")
            .replace('\n', "; ")),
        None => Err("no answer".to_owned()),
    };
    let groups = said("id", &["-nG"]).await.unwrap_or_default();
    let member = groups.split_whitespace().any(|group| group == "libvirt");
    let network = match (uri, &answers) {
        (KvmHost::Session, _) => DefaultNetwork::NotNeeded,
        (_, Err(_)) => DefaultNetwork::Unknown,
        (_, Ok(())) => {
            let asked = ["-c", &text, "net-info", "default"];
            DefaultNetwork::of(said("virsh", &asked).await.as_deref())
        }
    };
    LibvirtFacts {
        virsh,
        answers,
        allowed: member || rustix::process::geteuid().is_root(),
        network,
    }
}

/// What a program prints, if it is there and well.
async fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = ask(program, arguments).await?;
    (output.status == 0).then(|| output.text())
}

async fn ask(program: &str, arguments: &[&str]) -> Option<Output> {
    let command = Command::look(program, arguments.iter().copied());
    let asked = Local { sudo: false };
    let answer = tokio::time::timeout(ANSWERS_WITHIN, asked.run(&command));
    answer.await.ok()?.ok()
}

async fn kvm(guests: VmArchitecture) -> KvmDevice {
    let device = "/dev/kvm";
    let opened = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(device);
    match opened {
        Err(_) if Path::new(device).exists() => KvmDevice::Denied,
        Err(_) => KvmDevice::Absent,
        Ok(_) => match program(guests.emulator(), "") {
            Ok(emulator) if !kvm_works(&emulator, guests).await => KvmDevice::Broken,
            _ => KvmDevice::Usable,
        },
    }
}

/// Of the folder itself, or of the one in which it will be.
fn disk(folder: &Path) -> Option<Disk> {
    let there = folder.ancestors().find(|path| path.exists())?;
    let found = rustix::fs::statvfs(there).ok()?;
    Some(Disk {
        path: there.display().to_string(),
        free: found.f_bavail.saturating_mul(found.f_frsize),
    })
}
