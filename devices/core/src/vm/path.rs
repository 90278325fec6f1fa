//! Paths of files that a virtual machine is given.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// An absolute path on the host. libvirt refuses relative ones, and QEMU leaves its working
/// directory once it runs in the background. It holds no control character: XML cannot write those.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostPath(String);

/// A path that no virtual machine can be given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no path for a virtual machine's files: give an absolute one of at most 4095 bytes \
     without control characters"
)]
pub struct InvalidHostPath(String);

impl InvalidHostPath {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        "InvalidHostPath"
    }
}

impl HostPath {
    /// The longest path, in bytes: Linux's `PATH_MAX` without the byte that ends it.
    pub const MAX: usize = 4095;

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A file in this folder.
    pub fn file(&self, name: &str) -> Result<Self, InvalidHostPath> {
        format!("{}/{name}", self.0.trim_end_matches('/')).parse()
    }
}

impl AsRef<Path> for HostPath {
    fn as_ref(&self) -> &Path {
        Path::new(&self.0)
    }
}

impl FromStr for HostPath {
    type Err = InvalidHostPath;

    fn from_str(given: &str) -> Result<Self, InvalidHostPath> {
        // The last two are no characters of XML 1.0 either.
        let bad = |c: char| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}');
        if given.starts_with('/') && given.len() <= Self::MAX && !given.contains(bad) {
            Ok(Self(given.to_owned()))
        } else {
            Err(InvalidHostPath(given.chars().take(200).collect()))
        }
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absolute_paths_are_taken_and_others_are_not() {
        for given in ["/", "/var/lib/vm a/<disk>,1.qcow2", "/é"] {
            let path = given.parse::<HostPath>();
            assert_eq!(path.map(|path| path.to_string()), Ok(given.to_owned()));
        }
        let long = format!("/{}", "x".repeat(HostPath::MAX));
        for given in ["", "disk", "./disk", "/a\nb", "/a\0", "/\u{ffff}", &long] {
            let reason = given.parse::<HostPath>().map_err(|error| error.reason());
            assert_eq!(reason, Err("InvalidHostPath"), "{given:?}");
        }
    }
}
