//! Cloud images of distributions, and how to tell that one came whole.

use std::fmt;

use crate::architecture::VmArchitecture;

/// A release whose cloud image is known to become a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Release {
    /// Debian 12, bookworm.
    Debian12,
    /// Debian 13, trixie.
    Debian13,
    /// Ubuntu 24.04 LTS, noble.
    Ubuntu2404,
}

impl Release {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Debian12, Self::Debian13, Self::Ubuntu2404];

    /// For messages.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Debian12 => "Debian 12",
            Self::Debian13 => "Debian 13",
            Self::Ubuntu2404 => "Ubuntu 24.04",
        }
    }

    /// Where its newest images and their list lie. Debian's have the drivers of virtual machines only
    /// (`genericcloud`); both are of format qcow2.
    fn place(self, architecture: VmArchitecture) -> (&'static str, String, ChecksumAlgorithm) {
        let machine = architecture.debian();
        match self {
            Self::Debian12 => (
                "https://cloud.debian.org/images/cloud/bookworm/latest",
                format!("debian-12-genericcloud-{machine}.qcow2"),
                ChecksumAlgorithm::Sha512,
            ),
            Self::Debian13 => (
                "https://cloud.debian.org/images/cloud/trixie/latest",
                format!("debian-13-genericcloud-{machine}.qcow2"),
                ChecksumAlgorithm::Sha512,
            ),
            Self::Ubuntu2404 => (
                "https://cloud-images.ubuntu.com/releases/noble/release",
                format!("ubuntu-24.04-server-cloudimg-{machine}.img"),
                ChecksumAlgorithm::Sha256,
            ),
        }
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.describe())
    }
}

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl ChecksumAlgorithm {
    /// The name that distributions give to a list of such checksums.
    pub const fn list(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256SUMS",
            Self::Sha512 => "SHA512SUMS",
        }
    }

    const fn of_digits(count: usize) -> Option<Self> {
        match count {
            64 => Some(Self::Sha256),
            128 => Some(Self::Sha512),
            _ => None,
        }
    }
}

/// A checksum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// How it is made.
    algorithm: ChecksumAlgorithm,
    /// In hexadecimal, lower case.
    hex: String,
}

impl Checksum {
    /// Of 64 hexadecimal digits for SHA-256 or 128 for SHA-512, in either case.
    pub fn parse(given: &str) -> Result<Self, ImageError> {
        let hexadecimal = given.bytes().all(|b| b.is_ascii_hexdigit());
        let algorithm = ChecksumAlgorithm::of_digits(given.len()).filter(|_| hexadecimal);
        let invalid = || ImageError::InvalidChecksum(given.chars().take(150).collect());
        Ok(Self {
            algorithm: algorithm.ok_or_else(invalid)?,
            hex: given.to_ascii_lowercase(),
        })
    }

    /// How it is made.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// In hexadecimal, lower case.
    pub fn hex(&self) -> &str {
        &self.hex
    }
}

/// How to tell that an image came whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verification {
    /// By the list that the distribution keeps beside it: the newest image is another one every few
    /// weeks, so no checksum of it stands here.
    List {
        /// Where the list is.
        checksums_url: String,
        /// How its checksums are made.
        checksum_algorithm: ChecksumAlgorithm,
    },
    /// By a checksum that somebody gave.
    Pinned(Checksum),
}

/// A cloud image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudImage {
    /// The release it is of.
    pub release: Release,
    /// The processor it is for.
    pub architecture: VmArchitecture,
    /// Where it is.
    pub url: String,
    /// How to tell that it came whole.
    pub verification: Verification,
}

/// Why an image cannot be checked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// What is no checksum.
    #[error("{0:?} is no checksum: write 64 hexadecimal digits for SHA-256, or 128 for SHA-512")]
    InvalidChecksum(String),
    /// The list does not name the file.
    #[error(
        "the list of checksums does not name {0}: look whether its address is that of the list, and \
         whether the image has another name by now"
    )]
    NotListed(String),
    /// The line that names the file holds no checksum.
    #[error(
        "the list of checksums names {0} on a line without a checksum: fetch the list again, and \
         look at it"
    )]
    Malformed(String),
    /// The list says different things about the file.
    #[error(
        "the list of checksums has several for {0}: fetch it again, or give the checksum yourself"
    )]
    Ambiguous(String),
}

impl ImageError {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::InvalidChecksum(_) => "InvalidChecksum",
            Self::NotListed(_) => "ChecksumNotListed",
            Self::Malformed(_) => "ChecksumMalformed",
            Self::Ambiguous(_) => "ChecksumAmbiguous",
        }
    }
}

impl CloudImage {
    /// The newest of a release.
    pub fn newest(release: Release, architecture: VmArchitecture) -> Self {
        let (place, file, checksum_algorithm) = release.place(architecture);
        Self {
            release,
            architecture,
            url: format!("{place}/{file}"),
            verification: Verification::List {
                checksums_url: format!("{place}/{}", checksum_algorithm.list()),
                checksum_algorithm,
            },
        }
    }

    /// One that somebody chose, and that stays the same.
    pub const fn pinned(
        release: Release,
        architecture: VmArchitecture,
        url: String,
        checksum: Checksum,
    ) -> Self {
        Self {
            release,
            architecture,
            url,
            verification: Verification::Pinned(checksum),
        }
    }

    /// Its name in the list of checksums.
    pub fn file_name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or(&self.url)
    }
}

/// What a list of checksums says of a file. Its lines are those of `sha256sum` and `sha512sum`, as
/// text (`<hex>  name`) or binary (`<hex> *name`); others are passed over, so that signatures may
/// stand around them. The same checksum twice is one.
pub fn checksum_of(list: &str, file_name: &str) -> Result<Checksum, ImageError> {
    let named = list.lines().filter_map(|line| {
        let (sum, name) = line.trim_end().split_once(' ')?;
        let name = name.strip_prefix([' ', '*'])?;
        (name == file_name).then_some(sum)
    });
    let mut found = None;
    for sum in named {
        let sum = Checksum::parse(sum);
        let sum = sum.map_err(|_| ImageError::Malformed(file_name.to_owned()))?;
        if found.as_ref().is_some_and(|earlier| *earlier != sum) {
            return Err(ImageError::Ambiguous(file_name.to_owned()));
        }
        found = Some(sum);
    }
    found.ok_or_else(|| ImageError::NotListed(file_name.to_owned()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use proptest::prelude::*;

    use super::*;

    const FILE: &str = "disk.qcow2";

    fn reason(list: &str) -> Result<String, &'static str> {
        let found = checksum_of(list, FILE);
        found.map(|sum| sum.hex).map_err(|error| error.reason())
    }

    #[test]
    fn the_catalogue() {
        let mut shown = Vec::new();
        for release in Release::ALL {
            for architecture in VmArchitecture::ALL {
                let image = CloudImage::newest(release, architecture);
                let Verification::List {
                    checksums_url,
                    checksum_algorithm,
                } = &image.verification
                else {
                    unreachable!("the newest is in a list");
                };
                assert!(checksums_url.ends_with(checksum_algorithm.list()));
                assert!(image.file_name().contains(architecture.debian()));
                shown.push(format!("{release} {architecture}"));
                shown.push(format!("  {}\n  {checksums_url}", image.url));
            }
        }
        insta::assert_snapshot!(shown.join("\n"));
    }

    #[test]
    fn both_forms_of_lists_are_read() {
        let (a, b) = ("a".repeat(64), "B".repeat(128));
        let debian = format!("{a}  other\n{b}  {FILE}\n{a}  {FILE}.json\r\n");
        let sum = checksum_of(&debian, FILE).expect("listed");
        assert_eq!(sum.algorithm(), ChecksumAlgorithm::Sha512);
        assert_eq!(sum.hex(), "b".repeat(128));
        let ubuntu = format!("{a} *{FILE}\r\n{b} *x-{FILE}\n");
        let sum = checksum_of(&ubuntu, FILE).expect("listed");
        assert_eq!(sum.algorithm(), ChecksumAlgorithm::Sha256);
        assert_eq!(sum.hex(), a);
    }

    #[test]
    fn what_a_list_does_not_clearly_say_is_an_error() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        for (list, expected) in [
            (String::new(), "ChecksumNotListed"),
            ("<html>404</html>".to_owned(), "ChecksumNotListed"),
            (format!("{a}  other\n"), "ChecksumNotListed"),
            (format!("{a} {FILE}\n"), "ChecksumNotListed"),
            (format!("{FILE}  {a}\n"), "ChecksumNotListed"),
            (format!("abc  {FILE}\n"), "ChecksumMalformed"),
            (
                format!("{}g  {FILE}\n", "a".repeat(63)),
                "ChecksumMalformed",
            ),
            (format!("  {FILE}\n"), "ChecksumMalformed"),
            (format!("{a}  {FILE}\n{b} *{FILE}\n"), "ChecksumAmbiguous"),
        ] {
            assert_eq!(reason(&list), Err(expected), "{list}");
        }
        assert_eq!(reason(&format!("{a}  {FILE}\n{a} *{FILE}\n")), Ok(a));
    }

    #[test]
    fn a_pinned_image_needs_a_checksum_that_is_one() {
        let sum = Checksum::parse(&"0F".repeat(32)).expect("a checksum");
        let url = "https://mirror.example/disk.qcow2".to_owned();
        let [release, ..] = Release::ALL;
        let image = CloudImage::pinned(release, VmArchitecture::X86_64, url, sum.clone());
        assert_eq!(image.verification, Verification::Pinned(sum));
        assert_eq!(image.file_name(), FILE);
        for given in ["", "0f", "sha256:0f", &"é".repeat(32)] {
            let error = Checksum::parse(given).expect_err(given);
            assert_eq!(error.reason(), "InvalidChecksum");
        }
    }

    proptest! {
        #[test]
        fn no_list_is_too_strange(list in any::<String>(), name in any::<String>()) {
            let _ = checksum_of(&list, &name);
            let _ = checksum_of(&format!("{list}  {name}\n{list} *{name}"), &name);
        }

        #[test]
        fn what_is_listed_once_is_found(
            sums in prop::collection::btree_map("[a-z.-]{1,8}", "[0-9a-f]{64}", 1..8),
        ) {
            let lines: Vec<_> = sums.iter().map(|(name, sum)| format!("{sum}  {name}")).collect();
            let list = lines.join("\n");
            for (name, sum) in &sums {
                let found = checksum_of(&list, name).expect("listed");
                prop_assert_eq!(found.hex(), sum);
            }
        }
    }
}
