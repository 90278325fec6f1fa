//! Where a host keeps UEFI firmware for its guests.

use crate::architecture::VmArchitecture;

/// What QEMU's Arm board takes for each of its two flash chips: 64 MiB, not a byte less or more.
pub const PFLASH_BYTES: u64 = 64 << 20;

/// Firmware that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Firmware {
    /// Its code, which guests share and only read.
    pub code: String,
    /// What a guest's variables begin as. Where there is none, they begin as [`PFLASH_BYTES`] of
    /// zeros, and the firmware makes variables of them at its first start.
    pub vars: Option<String>,
    /// Which length its files need.
    pub padding: Padding,
}

/// Which length the files of a firmware need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padding {
    /// The one they have.
    None,
    /// [`PFLASH_BYTES`]: those that are shorter are copied, with zeros behind.
    Pflash,
}

/// What has to be done about a file's length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Padded {
    /// It is right.
    AsItIs,
    /// A copy has to be made this long, in bytes.
    To(u64),
}

/// Why there is no firmware for a guest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirmwareError {
    /// The host has none that is known.
    #[error(
        "this host has no UEFI firmware for {0} guests: install {packages}",
        packages = packages(*.0)
    )]
    NotFound(VmArchitecture),
    /// A file that does not fit a flash chip.
    #[error(
        "a firmware file of {0} bytes does not fit the guest's flash of {PFLASH_BYTES} bytes: \
         reinstall the firmware's package"
    )]
    TooLarge(u64),
}

impl FirmwareError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "FirmwareNotFound",
            Self::TooLarge(_) => "FirmwareTooLarge",
        }
    }
}

impl Firmware {
    /// The first of the known ones that a host has all files of. `exists` is asked with absolute
    /// paths.
    pub fn find(
        architecture: VmArchitecture,
        exists: impl Fn(&str) -> bool,
    ) -> Result<Self, FirmwareError> {
        let complete = |known: &&Known| exists(known.code) && known.vars.is_none_or(&exists);
        let known = known(architecture).iter().find(complete);
        let known = known.ok_or(FirmwareError::NotFound(architecture))?;
        Ok(Self {
            code: known.code.to_owned(),
            vars: known.vars.map(str::to_owned),
            padding: match architecture {
                VmArchitecture::X86_64 => Padding::None,
                VmArchitecture::Aarch64 => Padding::Pflash,
            },
        })
    }

    /// What has to be done about one of its files, by the length it has in bytes.
    pub const fn padded_length(&self, actual: u64) -> Result<Padded, FirmwareError> {
        match self.padding {
            Padding::None => Ok(Padded::AsItIs),
            Padding::Pflash => padded_length(actual),
        }
    }
}

/// What has to be done about a file of this length, in bytes, before it is a flash chip of QEMU's Arm
/// board.
pub const fn padded_length(actual: u64) -> Result<Padded, FirmwareError> {
    match actual {
        PFLASH_BYTES => Ok(Padded::AsItIs),
        0..PFLASH_BYTES => Ok(Padded::To(PFLASH_BYTES)),
        _ => Err(FirmwareError::TooLarge(actual)),
    }
}

struct Known {
    code: &'static str,
    vars: Option<&'static str>,
}

const fn pair(code: &'static str, vars: &'static str) -> Known {
    let vars = Some(vars);
    Known { code, vars }
}

/// Those without Secure Boot: it needs keys and a board with SMM, and a device's own image decides
/// what it starts.
const X86_64: [Known; 4] = [
    // Debian, Ubuntu
    pair(
        "/usr/share/OVMF/OVMF_CODE_4M.fd",
        "/usr/share/OVMF/OVMF_VARS_4M.fd",
    ),
    // Fedora
    pair(
        "/usr/share/edk2/ovmf/OVMF_CODE.fd",
        "/usr/share/edk2/ovmf/OVMF_VARS.fd",
    ),
    // Arch
    pair(
        "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
        "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
    ),
    // Arch, as it was
    pair(
        "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
        "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd",
    ),
];

/// Those that have the right length already come first: they need no copy.
const AARCH64: [Known; 5] = [
    // Debian, Ubuntu
    pair(
        "/usr/share/AAVMF/AAVMF_CODE.fd",
        "/usr/share/AAVMF/AAVMF_VARS.fd",
    ),
    // Fedora, which keeps unpadded ones under Arch's names, too
    pair(
        "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
        "/usr/share/edk2/aarch64/vars-template-pflash.raw",
    ),
    // Arch
    pair(
        "/usr/share/edk2/aarch64/QEMU_EFI.fd",
        "/usr/share/edk2/aarch64/QEMU_VARS.fd",
    ),
    // Arch, as it was
    pair(
        "/usr/share/edk2-armvirt/aarch64/QEMU_EFI.fd",
        "/usr/share/edk2-armvirt/aarch64/QEMU_VARS.fd",
    ),
    // Debian, Ubuntu: 2 MiB, made for boards that load it without flash
    Known {
        code: "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd",
        vars: None,
    },
];

const fn known(architecture: VmArchitecture) -> &'static [Known] {
    match architecture {
        VmArchitecture::X86_64 => &X86_64,
        VmArchitecture::Aarch64 => &AARCH64,
    }
}

const fn packages(architecture: VmArchitecture) -> &'static str {
    match architecture {
        VmArchitecture::X86_64 => "ovmf (Debian, Ubuntu) or edk2-ovmf (Fedora, Arch)",
        VmArchitecture::Aarch64 => {
            "qemu-efi-aarch64 (Debian, Ubuntu) or edk2-aarch64 (Fedora, Arch)"
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    /// The firmware of a host that has just these files.
    fn on(architecture: VmArchitecture, files: &[&str]) -> Result<Firmware, FirmwareError> {
        Firmware::find(architecture, |path| files.contains(&path))
    }

    #[test]
    fn each_distributions_firmware_is_found() {
        let [x86, arm] = VmArchitecture::ALL;
        let hosts: [(_, &[&str]); 8] = [
            (
                x86,
                &[
                    "/usr/share/OVMF/OVMF_CODE_4M.fd",
                    "/usr/share/OVMF/OVMF_VARS_4M.fd",
                ],
            ),
            (
                arm,
                &[
                    "/usr/share/AAVMF/AAVMF_CODE.fd",
                    "/usr/share/AAVMF/AAVMF_VARS.fd",
                    "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd",
                ],
            ),
            (
                x86,
                &[
                    "/usr/share/edk2/ovmf/OVMF_CODE.fd",
                    "/usr/share/edk2/ovmf/OVMF_VARS.fd",
                ],
            ),
            (
                arm,
                &[
                    "/usr/share/edk2/aarch64/QEMU_EFI-pflash.raw",
                    "/usr/share/edk2/aarch64/vars-template-pflash.raw",
                    "/usr/share/edk2/aarch64/QEMU_EFI.fd",
                    "/usr/share/edk2/aarch64/QEMU_VARS.fd",
                ],
            ),
            (
                x86,
                &[
                    "/usr/share/edk2/x64/OVMF_CODE.4m.fd",
                    "/usr/share/edk2/x64/OVMF_VARS.4m.fd",
                ],
            ),
            (
                arm,
                &[
                    "/usr/share/edk2/aarch64/QEMU_EFI.fd",
                    "/usr/share/edk2/aarch64/QEMU_VARS.fd",
                ],
            ),
            (
                x86,
                &[
                    "/usr/share/edk2-ovmf/x64/OVMF_CODE.fd",
                    "/usr/share/edk2-ovmf/x64/OVMF_VARS.fd",
                ],
            ),
            (
                arm,
                &[
                    "/usr/share/edk2-armvirt/aarch64/QEMU_EFI.fd",
                    "/usr/share/edk2-armvirt/aarch64/QEMU_VARS.fd",
                ],
            ),
        ];
        for (architecture, files) in hosts {
            let firmware = on(architecture, files).expect("found");
            assert_eq!(firmware.code, files[0]);
            assert_eq!(firmware.vars.as_deref(), Some(files[1]));
            let pads = firmware.padding == Padding::Pflash;
            assert_eq!(pads, architecture == arm, "{files:?}");
        }
    }

    #[test]
    fn firmware_without_variables_starts_with_empty_ones() {
        let file = "/usr/share/qemu-efi-aarch64/QEMU_EFI.fd";
        let expected = Firmware {
            code: file.to_owned(),
            vars: None,
            padding: Padding::Pflash,
        };
        assert_eq!(on(VmArchitecture::Aarch64, &[file]), Ok(expected));
    }

    #[test]
    fn half_of_a_firmware_is_passed_over_and_none_names_the_packages() {
        let code = "/usr/share/OVMF/OVMF_CODE_4M.fd";
        let error = on(VmArchitecture::X86_64, &[code]).expect_err("half");
        assert_eq!(error.reason(), "FirmwareNotFound");
        for word in ["x86_64", "ovmf (Debian", "edk2-ovmf (Fedora, Arch"] {
            assert!(error.to_string().contains(word), "{error}");
        }
        let error = on(VmArchitecture::Aarch64, &[]).expect_err("none");
        for word in ["aarch64", "qemu-efi-aarch64", "edk2-aarch64"] {
            assert!(error.to_string().contains(word), "{error}");
        }
    }

    #[test]
    fn flash_is_64_mib() {
        assert_eq!(PFLASH_BYTES, 67_108_864);
        assert_eq!(padded_length(2 << 20), Ok(Padded::To(PFLASH_BYTES)));
        assert_eq!(
            padded_length(PFLASH_BYTES - 1),
            Ok(Padded::To(PFLASH_BYTES))
        );
        assert_eq!(padded_length(PFLASH_BYTES), Ok(Padded::AsItIs));
        let error = padded_length(PFLASH_BYTES + 1).expect_err("too large");
        assert_eq!(error.reason(), "FirmwareTooLarge");
        assert!(error.to_string().contains("67108865"), "{error}");
    }

    #[test]
    fn x86_takes_its_firmware_as_it_is() {
        let files = [
            "/usr/share/OVMF/OVMF_CODE_4M.fd",
            "/usr/share/OVMF/OVMF_VARS_4M.fd",
        ];
        let firmware = on(VmArchitecture::X86_64, &files).expect("found");
        assert_eq!(firmware.padded_length(3_653_632), Ok(Padded::AsItIs));
    }
}
