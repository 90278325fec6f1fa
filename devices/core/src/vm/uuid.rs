//! Identities of libvirt's domains.

use std::fmt;
use std::str::FromStr;

/// The UUID of a domain. A domain that is defined anew keeps the one it has: under another one
/// libvirt takes it for a second domain of the same name, and refuses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VmUuid([u8; 16]);

/// Text that is no UUID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no UUID: write 8-4-4-4-12 hexadecimal digits, as libvirt does")]
pub struct InvalidVmUuid(String);

impl InvalidVmUuid {
    /// The stable reason.
    pub const fn reason(&self) -> &'static str {
        "InvalidVmUuid"
    }
}

impl VmUuid {
    /// Of random bytes, as RFC 9562 has version 4.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[6] = (bytes[6] & 0x0f) | 0x40;
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Self(bytes)
    }
}

impl FromStr for VmUuid {
    type Err = InvalidVmUuid;

    fn from_str(given: &str) -> Result<Self, InvalidVmUuid> {
        let invalid = || InvalidVmUuid(given.chars().take(50).collect());
        let groups: Vec<_> = given.split('-').collect();
        let lengths = groups.iter().map(|group| group.len());
        if !lengths.eq([8, 4, 4, 4, 12]) || !given.bytes().all(is_digit_or_dash) {
            return Err(invalid());
        }
        let value = u128::from_str_radix(&groups.concat(), 16).map_err(|_| invalid())?;
        Ok(Self(value.to_be_bytes()))
    }
}

const fn is_digit_or_dash(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b'-'
}

impl fmt::Display for VmUuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "test code")]

    use super::*;

    #[test]
    fn a_uuid_is_read_as_it_is_written() {
        let text = VmUuid::from_random([0xff; 16]).to_string();
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
        let read: VmUuid = text.to_uppercase().parse().expect("a UUID");
        assert_eq!(read.to_string(), text);
    }

    #[test]
    fn what_is_no_uuid_is_refused() {
        let good = "0d3a5f2e-6f0b-4a53-9d4c-0c8f2b7a9e11";
        assert_eq!(
            good.parse::<VmUuid>().map(|uuid| uuid.to_string()),
            Ok(good.to_owned())
        );
        for given in [
            "",
            "0d3a5f2e6f0b4a539d4c0c8f2b7a9e11",
            "0d3a5f2e-6f0b-4a53-9d4c-0c8f2b7a9e1g",
            "+d3a5f2e-6f0b-4a53-9d4c-0c8f2b7a9e11",
            "0d3a5f2e-6f0b-4a53-9d4c-0c8f2b7a9e11\n",
        ] {
            let reason = given.parse::<VmUuid>().map_err(|error| error.reason());
            assert_eq!(reason, Err("InvalidVmUuid"), "{given:?}");
        }
    }
}
