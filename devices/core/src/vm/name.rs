//! Names of virtual machines.

use std::fmt;
use std::str::FromStr;

use fleet_contracts::DeviceId;

/// A virtual machine's name: libvirt's domain, the guest's host name and part of file names, so it
/// is an RFC 1123 label. It can be the id of the device that becomes of it, and has its rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmName(String);

/// A name that no virtual machine can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no name of a virtual machine: take 1 to 63 of a-z, 0-9 and '-', starting and ending \
     with a letter or digit"
)]
pub struct InvalidVmName(String);

impl InvalidVmName {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        "InvalidVmName"
    }
}

impl VmName {
    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for VmName {
    type Err = InvalidVmName;

    fn from_str(given: &str) -> Result<Self, InvalidVmName> {
        if given.parse::<DeviceId>().is_ok() {
            Ok(Self(given.to_owned()))
        } else {
            Err(InvalidVmName(given.chars().take(100).collect()))
        }
    }
}

impl fmt::Display for VmName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_names() {
        for given in ["a", "0", "pi-5", &"x".repeat(63)] {
            let name = given.parse::<VmName>();
            assert_eq!(name.map(|name| name.to_string()), Ok(given.to_owned()));
        }
    }

    #[test]
    fn what_could_leave_a_folder_or_a_document_is_no_name() {
        let long = "x".repeat(64);
        for given in [
            "", "-a", "a-", "A", "a.b", "a/b", "..", "a b", "a\n", "é", "<a>", &long,
        ] {
            let reason = given.parse::<VmName>().map_err(|error| error.reason());
            assert_eq!(reason, Err("InvalidVmName"), "{given:?}");
        }
    }
}
