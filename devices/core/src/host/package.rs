use std::collections::BTreeSet;

use super::command::{Command, Output};
use super::distribution::Family;
use super::ensured::{Change, EnsureError, Ensured};
use crate::architecture::VmArchitecture;

/// What a device needs of its distribution. The names of packages stand in [`Need::package`] and nowhere
/// else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// Runs containers.
    Podman,
    /// Starts them.
    Crun,
    /// Gives a user more than one id.
    SubordinateIds,
    /// The network of containers of an ordinary user.
    RootlessNetwork,
    /// The network of containers with each other.
    Netavark,
    /// Names of containers.
    Names,
    /// A user's own bus, which its service manager needs.
    UserBus,
    /// Forwards ports to containers.
    PacketFilter,
    /// What certificates are trusted.
    Certificates,
    /// Emulates or runs guests of this processor.
    Emulator(VmArchitecture),
    /// UEFI of such guests.
    Firmware(VmArchitecture),
    /// Makes disks of guests.
    QemuTools,
    /// Keeps guests.
    Libvirt,
    /// The part of it that runs QEMU.
    LibvirtQemu,
    /// Asks it.
    LibvirtClient,
    /// Its network `default`.
    LibvirtNetwork,
    /// Gives guests of that network their addresses.
    Dhcp,
}

impl Need {
    /// All of a device.
    pub const DEVICE: [Self; 9] = [
        Self::Podman,
        Self::Crun,
        Self::SubordinateIds,
        Self::RootlessNetwork,
        Self::Netavark,
        Self::Names,
        Self::UserBus,
        Self::PacketFilter,
        Self::Certificates,
    ];

    /// All of libvirt.
    pub const LIBVIRT: &[Self] = &[
        Self::Libvirt,
        Self::LibvirtQemu,
        Self::LibvirtClient,
        Self::LibvirtNetwork,
        Self::Dhcp,
    ];

    /// All of a host of virtual machines with libvirt, for guests of this processor.
    pub fn of_kvm_host(guests: VmArchitecture) -> impl Iterator<Item = Self> {
        let qemu = [
            Self::Emulator(guests),
            Self::Firmware(guests),
            Self::QemuTools,
        ];
        qemu.into_iter().chain(Self::LIBVIRT.iter().copied())
    }

    /// The package that has it; `None` where another that is needed anyway brings it along.
    pub const fn package(self, family: Family) -> Option<&'static str> {
        match (self, family) {
            (Self::Podman, _) => Some("podman"),
            (Self::Crun, _) => Some("crun"),
            (Self::SubordinateIds, Family::Debian) => Some("uidmap"),
            (Self::SubordinateIds, Family::Fedora) => Some("shadow-utils"),
            (Self::SubordinateIds, Family::Alpine) => Some("shadow-subids"),
            (Self::SubordinateIds, Family::Arch) => Some("shadow"),
            (Self::RootlessNetwork, _) => Some("slirp4netns"),
            (Self::Netavark, _) => Some("netavark"),
            (Self::Names, _) => Some("aardvark-dns"),
            (Self::UserBus, Family::Debian) => Some("dbus-user-session"),
            (Self::UserBus, Family::Fedora) => Some("dbus-broker"),
            (Self::UserBus, Family::Alpine | Family::Arch) => Some("dbus"),
            (Self::PacketFilter, Family::Fedora) => Some("iptables-nft"),
            (Self::PacketFilter, _) => Some("iptables"),
            (Self::Certificates, _) => Some("ca-certificates"),
            (Self::Emulator(guest), _) => Some(emulator(guest, family)),
            (Self::Firmware(guest), _) => Some(firmware(guest, family)),
            (Self::QemuTools, Family::Debian) => Some("qemu-utils"),
            (Self::QemuTools, _) => Some("qemu-img"),
            (Self::Libvirt, Family::Debian) => Some("libvirt-daemon-system"),
            (Self::Libvirt, Family::Fedora) => Some("libvirt-daemon-kvm"),
            (Self::Libvirt, Family::Alpine) => Some("libvirt-daemon"),
            (Self::Libvirt | Self::LibvirtClient, Family::Arch) => Some("libvirt"),
            // Debian only recommends it; elsewhere the daemon brings it, and mostly the network, too.
            (Self::LibvirtQemu, Family::Debian) => Some("libvirt-daemon-driver-qemu"),
            (Self::LibvirtClient, Family::Debian) => Some("libvirt-clients"),
            (Self::LibvirtClient, Family::Fedora | Family::Alpine) => Some("libvirt-client"),
            (Self::LibvirtNetwork, Family::Debian | Family::Fedora) => {
                Some("libvirt-daemon-config-network")
            }
            (Self::LibvirtQemu | Self::LibvirtNetwork, _) => None,
            (Self::Dhcp, Family::Debian) => Some("dnsmasq-base"),
            (Self::Dhcp, _) => Some("dnsmasq"),
        }
    }
}

const fn emulator(guest: VmArchitecture, family: Family) -> &'static str {
    match (guest, family) {
        (VmArchitecture::X86_64, Family::Alpine) => "qemu-system-x86_64",
        (VmArchitecture::X86_64, _) => "qemu-system-x86",
        (VmArchitecture::Aarch64, Family::Debian) => "qemu-system-arm",
        (VmArchitecture::Aarch64, _) => "qemu-system-aarch64",
    }
}

const fn firmware(guest: VmArchitecture, family: Family) -> &'static str {
    match (guest, family) {
        (VmArchitecture::X86_64, Family::Debian | Family::Alpine) => "ovmf",
        (VmArchitecture::X86_64, _) => "edk2-ovmf",
        (VmArchitecture::Aarch64, Family::Debian) => "qemu-efi-aarch64",
        (VmArchitecture::Aarch64, Family::Alpine) => "aavmf",
        (VmArchitecture::Aarch64, _) => "edk2-aarch64",
    }
}

/// Packages that have to be installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packages {
    family: Family,
    names: BTreeSet<&'static str>,
}

impl Packages {
    /// Those of a kind of distribution that have this.
    pub fn of(family: Family, needs: impl IntoIterator<Item = Need>) -> Self {
        let names = needs.into_iter().filter_map(|need| need.package(family));
        Self {
            family,
            names: names.collect(),
        }
    }

    /// What a person would type.
    pub fn install_line(&self) -> String {
        let install = self.install(&self.names.iter().copied().collect::<Vec<_>>());
        format!("sudo {install}")
    }

    fn install(&self, names: &[&str]) -> Command {
        let (program, options): (_, &[&str]) = match self.family {
            Family::Debian => ("apt-get", &["install", "--yes", "--no-install-recommends"]),
            Family::Fedora => ("dnf", &["install", "--assumeyes"]),
            Family::Alpine => ("apk", &["add"]),
            Family::Arch => ("pacman", &["-S", "--needed", "--noconfirm"]),
        };
        Command::change(program, options.iter().chain(names).copied())
    }

    /// A list of packages that is old, or was never fetched, names versions that are no more.
    fn refresh(&self) -> Option<Command> {
        match self.family {
            Family::Debian => Some(Command::change("apt-get", ["update"])),
            Family::Alpine => Some(Command::change("apk", ["update"])),
            Family::Fedora | Family::Arch => None,
        }
    }
}

impl Ensured for Packages {
    fn name(&self) -> String {
        let names: Vec<_> = self.names.iter().copied().collect();
        format!("packages {}", names.join(", "))
    }

    /// One look for all, which lists what is installed, one name on a line.
    fn looks(&self) -> Vec<Command> {
        let names = self.names.iter().copied();
        // Each exits with 1 where one of them is missing, and lists the others all the same.
        let look = match self.family {
            Family::Debian => {
                let format = ["-W", "-f=${db:Status-Status} ${Package}\\n"];
                Command::look("dpkg-query", format.into_iter().chain(names))
            }
            Family::Fedora => {
                let format = ["-q", "--qf", "installed %{NAME}\\n"];
                Command::look("rpm", format.into_iter().chain(names))
            }
            Family::Alpine => Command::look("apk", ["info", "-e"].into_iter().chain(names)),
            Family::Arch => Command::look("pacman", ["-Qq"].into_iter().chain(names)),
        };
        vec![look.accepting(&[0, 1])]
    }

    fn change(&self, answers: &[Output]) -> Result<Option<Change>, EnsureError> {
        let text = answers.first().map(Output::text).unwrap_or_default();
        let installed: BTreeSet<_> = text
            .lines()
            .filter_map(|line| match self.family {
                Family::Debian | Family::Fedora => line.strip_prefix("installed "),
                Family::Alpine | Family::Arch => Some(line),
            })
            .map(str::trim)
            .collect();
        let missing = self.names.iter().copied();
        let missing: Vec<_> = missing.filter(|name| !installed.contains(name)).collect();
        if missing.is_empty() {
            return Ok(None);
        }
        let commands = self.refresh().into_iter().chain([self.install(&missing)]);
        Ok(Some(Change {
            difference: missing.iter().map(|name| format!("+ {name}")).collect(),
            commands: commands.collect(),
        }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    const FAMILIES: [Family; 4] = [Family::Debian, Family::Fedora, Family::Alpine, Family::Arch];

    fn answer(text: &str) -> [Output; 1] {
        [Output {
            status: 1,
            output: text.into(),
            errors: Vec::new(),
        }]
    }

    #[test]
    fn only_what_is_missing_is_installed() {
        let packages = Packages::of(Family::Debian, [Need::Podman, Need::Crun]);
        let found = answer("installed crun\nconfig-files podman\n");
        let change = packages.change(&found).expect("read").expect("a change");
        assert_eq!(change.difference, ["+ podman"]);
        let lines: Vec<_> = change.commands.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "apt-get update",
                "apt-get install --yes --no-install-recommends podman"
            ]
        );
        let all = answer("installed crun\ninstalled podman\n");
        assert_eq!(packages.change(&all), Ok(None));
    }

    #[test]
    fn every_need_has_a_package_everywhere() {
        for family in FAMILIES {
            for need in Need::DEVICE {
                assert!(need.package(family).is_some(), "{need:?} of {family:?}");
            }
            for guests in VmArchitecture::ALL {
                let host = Packages::of(family, Need::of_kvm_host(guests));
                assert!(host.names.len() >= 5, "{}", host.install_line());
            }
            let all = Packages::of(family, Need::DEVICE);
            assert!(
                all.install_line().starts_with("sudo "),
                "{}",
                all.install_line()
            );
        }
    }
}
