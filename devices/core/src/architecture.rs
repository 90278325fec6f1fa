//! Processors, and what each part of the world calls them.

use std::fmt;
use std::str::FromStr;

/// The processor of a device, virtual or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum VmArchitecture {
    /// 64-bit Intel and AMD.
    X86_64,
    /// 64-bit Arm, as of a Raspberry Pi 5.
    Aarch64,
}

/// A name of no processor that devices have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no architecture of devices; there are x86_64 (amd64) and aarch64 (arm64)")]
pub struct UnknownArchitecture(pub String);

impl VmArchitecture {
    /// Both.
    pub const ALL: [Self; 2] = [Self::X86_64, Self::Aarch64];

    /// As `uname -m`, libvirt, QEMU, Fedora, Alpine and Rust's targets have it.
    pub const fn uname(self) -> &'static str {
        match self {
            Self::X86_64 => "x86_64",
            Self::Aarch64 => "aarch64",
        }
    }

    /// As Debian, Ubuntu, their cloud images, Go and container images have it.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::X86_64 => "amd64",
            Self::Aarch64 => "arm64",
        }
    }

    /// The program that emulates a machine of it.
    pub const fn emulator(self) -> &'static str {
        match self {
            Self::X86_64 => "qemu-system-x86_64",
            Self::Aarch64 => "qemu-system-aarch64",
        }
    }

    /// The board of QEMU that such a machine gets.
    pub const fn machine(self) -> &'static str {
        match self {
            Self::X86_64 => "q35",
            Self::Aarch64 => "virt",
        }
    }

    /// The first serial port, as Linux names it.
    pub const fn console(self) -> &'static str {
        match self {
            Self::X86_64 => "ttyS0",
            Self::Aarch64 => "ttyAMA0",
        }
    }
}

impl fmt::Display for VmArchitecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uname())
    }
}

/// Any of its names, as people and machines write them.
impl FromStr for VmArchitecture {
    type Err = UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, UnknownArchitecture> {
        match text.trim().to_ascii_lowercase().as_str() {
            "x86_64" | "x86-64" | "amd64" => Ok(Self::X86_64),
            "aarch64" | "arm64" => Ok(Self::Aarch64),
            _ => Err(UnknownArchitecture(text.chars().take(32).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "test code")]

    use super::*;

    #[test]
    fn every_name_of_an_architecture_is_understood() {
        for architecture in VmArchitecture::ALL {
            for name in [architecture.uname(), architecture.debian()] {
                assert_eq!(name.parse(), Ok(architecture));
            }
        }
        assert_eq!("AMD64\n".parse(), Ok(VmArchitecture::X86_64));
        let error = "armv7l".parse::<VmArchitecture>().unwrap_err();
        assert!(error.to_string().contains("armv7l"));
    }
}
