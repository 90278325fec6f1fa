use std::fmt;

/// How a checksum is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChecksumAlgorithm {
    /// SHA-256.
    Sha256,
    /// SHA-512.
    Sha512,
}

impl ChecksumAlgorithm {
    /// As lists in BSD's form have it.
    const fn bsd(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
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
    ///
    /// # Errors
    /// When it is neither.
    pub fn parse(given: &str) -> Result<Self, ImageError> {
        let hexadecimal = given.bytes().all(|b| b.is_ascii_hexdigit());
        let algorithm = ChecksumAlgorithm::of_digits(given.len()).filter(|_| hexadecimal);
        let invalid = || ImageError::InvalidChecksum(given.chars().take(150).collect());
        Ok(Self {
            algorithm: algorithm.ok_or_else(invalid)?,
            hex: given.to_ascii_lowercase(),
        })
    }

    /// One that stands in this program; a test holds it to the rule.
    pub(super) fn known(algorithm: ChecksumAlgorithm, hex: &str) -> Self {
        Self {
            algorithm,
            hex: hex.to_owned(),
        }
    }

    /// How it is made.
    pub const fn algorithm(&self) -> ChecksumAlgorithm {
        self.algorithm
    }

    /// In hexadecimal, lower case.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Its beginning, enough to tell files from each other by.
    pub fn short(&self) -> &str {
        self.hex.get(..16).unwrap_or(&self.hex)
    }
}

impl std::str::FromStr for Checksum {
    type Err = ImageError;

    fn from_str(given: &str) -> Result<Self, ImageError> {
        Self::parse(given)
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm.bsd(), self.hex)
    }
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

/// What a list of checksums says of a file. Its lines are those of `sha256sum` and `sha512sum`, as
/// text (`<hex>  name`), binary (`<hex> *name`) or in BSD's form (`SHA256 (name) = <hex>`); others are
/// passed over, so that signatures and remarks may stand around them. The same checksum twice is one.
///
/// # Errors
/// When it does not clearly say one.
pub fn checksum_of(list: &str, file_name: &str) -> Result<Checksum, ImageError> {
    let named = list.lines().filter_map(|line| line_of(line, file_name));
    let mut found = None;
    for (sum, algorithm) in named {
        let sum = Checksum::parse(sum);
        let sum = sum
            .ok()
            .filter(|sum| algorithm.is_none_or(|it| sum.algorithm == it));
        let sum = sum.ok_or_else(|| ImageError::Malformed(file_name.to_owned()))?;
        if found.as_ref().is_some_and(|earlier| *earlier != sum) {
            return Err(ImageError::Ambiguous(file_name.to_owned()));
        }
        found = Some(sum);
    }
    found.ok_or_else(|| ImageError::NotListed(file_name.to_owned()))
}

/// What stands where the checksum does on a line about this file, and how it says it is made.
fn line_of<'a>(line: &'a str, file_name: &str) -> Option<(&'a str, Option<ChecksumAlgorithm>)> {
    let line = line.trim_end();
    for algorithm in [ChecksumAlgorithm::Sha256, ChecksumAlgorithm::Sha512] {
        let named = line.strip_prefix(algorithm.bsd());
        let named = named.and_then(|rest| rest.strip_prefix(" (")?.strip_prefix(file_name));
        if let Some(sum) = named.and_then(|rest| rest.strip_prefix(") = ")) {
            return Some((sum, Some(algorithm)));
        }
    }
    let (sum, name) = line.split_once(' ')?;
    let name = name.strip_prefix([' ', '*'])?;
    (name == file_name).then_some((sum, None))
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
    fn all_forms_of_lists_are_read() {
        let (a, b) = ("a".repeat(64), "B".repeat(128));
        let debian = format!("{a}  other\n{b}  {FILE}\n{a}  {FILE}.json\r\n");
        let sum = checksum_of(&debian, FILE).expect("listed");
        assert_eq!(sum.algorithm(), ChecksumAlgorithm::Sha512);
        assert_eq!(sum.hex(), "b".repeat(128));
        let ubuntu = format!("{a} *{FILE}\r\n{b} *x-{FILE}\n");
        let sum = checksum_of(&ubuntu, FILE).expect("listed");
        assert_eq!(sum.algorithm(), ChecksumAlgorithm::Sha256);
        assert_eq!(sum.hex(), a);
        let fedora = format!("# {FILE}: 5 bytes\nSHA256 ({FILE}) = {a}\nSHA256 (x-{FILE}) = {b}\n");
        assert_eq!(checksum_of(&fedora, FILE).expect("listed").hex(), a);
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
            (format!("MD5 ({FILE}) = {a}\n"), "ChecksumNotListed"),
            (format!("SHA256 ({FILE}.json) = {a}\n"), "ChecksumNotListed"),
            (format!("abc  {FILE}\n"), "ChecksumMalformed"),
            (format!("SHA512 ({FILE}) = {a}\n"), "ChecksumMalformed"),
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
    fn what_is_no_checksum_is_refused() {
        for given in ["", "0f", "sha256:0f", &"é".repeat(32)] {
            let error = Checksum::parse(given).expect_err(given);
            assert_eq!(error.reason(), "InvalidChecksum");
        }
        let sum = Checksum::parse(&"0F".repeat(32)).expect("a checksum");
        assert_eq!((sum.short(), sum.hex().len()), ("0f0f0f0f0f0f0f0f", 64));
    }

    proptest! {
        #[test]
        fn no_list_is_too_strange(list in any::<String>(), name in any::<String>()) {
            let _ = checksum_of(&list, &name);
            let _ = checksum_of(&format!("{list}  {name}\n{list} *{name}"), &name);
            let _ = checksum_of(&format!("SHA256 ({name}) = {list}"), &name);
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
