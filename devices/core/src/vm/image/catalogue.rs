use std::fmt;

use super::checksum::{Checksum, ChecksumAlgorithm};
use super::signature::{Fingerprint, Signature, SigningKey};
use crate::architecture::VmArchitecture;

/// A release that has a cloud image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// Debian 12, bookworm.
    Debian12,
    /// Debian 13, trixie.
    Debian13,
    /// Ubuntu 24.04 LTS, noble.
    Ubuntu2404,
    /// Fedora 44.
    Fedora44,
}

impl Release {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Debian12,
        Self::Debian13,
        Self::Ubuntu2404,
        Self::Fedora44,
    ];

    /// On command lines.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Debian12 => "debian-12",
            Self::Debian13 => "debian-13",
            Self::Ubuntu2404 => "ubuntu-24.04",
            Self::Fedora44 => "fedora-44",
        }
    }

    /// The names of all, for messages.
    pub fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    /// For messages.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Debian12 => "Debian 12",
            Self::Debian13 => "Debian 13",
            Self::Ubuntu2404 => "Ubuntu 24.04",
            Self::Fedora44 => "Fedora 44",
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

/// How to tell that an image came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// By a checksum.
    Pinned(Checksum),
    /// By the list that the distribution keeps beside it and signs.
    SignedList {
        /// Where the list is.
        url: String,
        /// How its checksums are made.
        algorithm: ChecksumAlgorithm,
        /// Where its signature is.
        signature: Signature,
        /// Whose that must be.
        key: SigningKey,
    },
}

/// A cloud image, of format qcow2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudImage {
    /// Where it is.
    pub url: String,
    /// How to tell that it came whole.
    pub verification: Verification,
}

impl CloudImage {
    /// The image of a release.
    pub fn of(release: Release, architecture: VmArchitecture) -> Self {
        match release {
            Release::Debian12 => debian(12, "bookworm", architecture),
            Release::Debian13 => debian(13, "trixie", architecture),
            Release::Ubuntu2404 => ubuntu(architecture),
            Release::Fedora44 => fedora(architecture),
        }
    }

    /// One that somebody chose, and that stays the same.
    pub const fn pinned(url: String, checksum: Checksum) -> Self {
        Self {
            url,
            verification: Verification::Pinned(checksum),
        }
    }

    /// Its name in lists of checksums.
    pub fn file_name(&self) -> &str {
        let path = self.url.split(['?', '#']).next().unwrap_or_default();
        path.rsplit('/').next().unwrap_or_default()
    }
}

/// Debian's lists of checksums of cloud images have no signature, so these are pinned: a build whose
/// checksums unrelated projects published alike (docs/adr/0045). They have the drivers of virtual
/// machines only (`genericcloud`).
fn debian(version: u8, codename: &str, architecture: VmArchitecture) -> CloudImage {
    let (build, hex) = match (version, architecture) {
        (12, VmArchitecture::X86_64) => (
            "20260712-2537",
            "6c2607f1846ee86040830c87d0b723f0967da3e884ea4673d9db4aa8eee13a4b\
             7c663524bfa42082c16fc6919f3aa1bf425c004d07ff06c53a319ad0c42647bb",
        ),
        (12, VmArchitecture::Aarch64) => (
            "20260712-2537",
            "52eb678130e85a9bf9f3cf4f7181e060fa60a5db45373717474c5ff9305645c5\
             e6cab8b05ca042bcfa7921d2ca29cf9fd2e815f75abe2d168557ad7207af127b",
        ),
        (_, VmArchitecture::X86_64) => (
            "20261001-2618",
            "f46f0671a6e5bdec5291ab8972bae2f10e5408c2f64a74078f11efc2f06a436a\
             9d0313ed50e0472542eeabf780e9f7c792ac0a314c6c20507fcd9fd81b468c3d",
        ),
        (_, VmArchitecture::Aarch64) => (
            "20261001-2618",
            "d8470b8c6c38fead046c794b5800a5a7b96672d5bcf543cc230ceb0c4b8ace05\
             ed341a0c8928045422243fde26b2f1f2f58e99244c65709ffda2e3d4b674dd5a",
        ),
    };
    let machine = architecture.debian();
    CloudImage {
        url: format!(
            "https://cloud.debian.org/images/cloud/{codename}/{build}/\
             debian-{version}-genericcloud-{machine}-{build}.qcow2"
        ),
        verification: Verification::Pinned(Checksum::known(ChecksumAlgorithm::Sha512, hex)),
    }
}

/// The newest: the place of a dated one is gone after some months.
fn ubuntu(architecture: VmArchitecture) -> CloudImage {
    let place = "https://cloud-images.ubuntu.com/releases/noble/release";
    let machine = architecture.debian();
    CloudImage {
        url: format!("{place}/ubuntu-24.04-server-cloudimg-{machine}.img"),
        verification: Verification::SignedList {
            url: format!("{place}/SHA256SUMS"),
            algorithm: ChecksumAlgorithm::Sha256,
            signature: Signature::Beside(format!("{place}/SHA256SUMS.gpg")),
            key: SigningKey {
                // UEC Image Automatic Signing Key
                fingerprint: Fingerprint::of("D2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81"),
                files: &["/usr/share/keyrings/ubuntu-cloudimage-keyring.gpg"],
                url: "https://keyserver.ubuntu.com/pks/lookup?op=get&options=mr\
                      &search=0xD2EB44626FDDC30B513D5BB71A5D6C4C7DB87C81"
                    .to_owned(),
            },
        },
    }
}

fn fedora(architecture: VmArchitecture) -> CloudImage {
    let machine = architecture.uname();
    let place = format!(
        "https://download.fedoraproject.org/pub/fedora/linux/releases/44/Cloud/{machine}/images"
    );
    CloudImage {
        url: format!("{place}/Fedora-Cloud-Base-Generic-44-1.7.{machine}.qcow2"),
        verification: Verification::SignedList {
            url: format!("{place}/Fedora-Cloud-44-1.7-{machine}-CHECKSUM"),
            algorithm: ChecksumAlgorithm::Sha256,
            signature: Signature::Inline,
            key: SigningKey {
                fingerprint: Fingerprint::of("36F612DCF27F7D1A48A835E4DBFCF71C6D9F90A6"),
                files: &[
                    "/etc/pki/rpm-gpg/RPM-GPG-KEY-fedora-44-primary",
                    "/usr/share/distribution-gpg-keys/fedora/RPM-GPG-KEY-fedora-44-primary",
                ],
                url: "https://fedoraproject.org/fedora.gpg".to_owned(),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn the_catalogue() {
        let mut shown = Vec::new();
        for release in Release::ALL {
            for architecture in VmArchitecture::ALL {
                let image = CloudImage::of(release, architecture);
                let name = image.file_name();
                let named = [architecture.debian(), architecture.uname()];
                assert!(named.iter().any(|it| name.contains(it)), "{name}");
                shown.push(format!(
                    "{} {architecture}\n  {}",
                    release.name(),
                    image.url
                ));
                match image.verification {
                    Verification::Pinned(sum) => {
                        let parsed = Checksum::parse(sum.hex());
                        assert_eq!(parsed.as_ref(), Ok(&sum));
                        shown.push(format!("  {sum}"));
                    }
                    Verification::SignedList {
                        url,
                        signature,
                        key,
                        ..
                    } => {
                        let hex = key.fingerprint.as_str();
                        assert_eq!(hex.parse().as_ref(), Ok(&key.fingerprint));
                        shown.push(format!("  {url}\n  {signature:?}\n  {hex}"));
                    }
                }
            }
        }
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn a_pinned_image_is_named_by_its_address() {
        let sum = Checksum::parse(&"0F".repeat(32)).expect("a checksum");
        let url = "https://mirror.example/disk.qcow2?x=/y#z".to_owned();
        let image = CloudImage::pinned(url, sum.clone());
        assert_eq!(image.verification, Verification::Pinned(sum));
        assert_eq!(image.file_name(), "disk.qcow2");
    }
}
