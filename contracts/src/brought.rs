//! Bodies that a manifest brings along, so that a device need not ask for them.
//!
//! Each is one header [`ENTRY_HEADER`] of the manifest's message: `<namespace>.<name>`, a space, and the
//! entry exactly as it lies under its own key. It is a convenience and nothing more: the entry is there
//! too, what a device takes is what has the hash that the signed manifest names, and what it cannot
//! read here it asks for.

use crate::id::DeploymentRef;

/// The header, once for each body.
pub const ENTRY_HEADER: &str = "Fleet-Entry";

/// What all these headers of one message may take together, in bytes: a device gets its manifest every
/// few minutes, and what it has already comes with it each time.
pub const MAX_BYTES: usize = 4 * 1024;

/// The value for an entry; none if it cannot be a header, for which it must be printable ASCII.
pub fn value(deployment: &DeploymentRef, entry: &[u8]) -> Option<String> {
    let entry = std::str::from_utf8(entry).ok()?;
    let fits = entry.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    fits.then(|| format!("{deployment} {entry}"))
}

/// What the header with this value takes of a message, in bytes: name, colon, space, value, end of line.
pub fn takes(value: &str) -> usize {
    ENTRY_HEADER.len() + ": \r\n".len() + value.len()
}

/// What a value says: of which deployment, and the entry, which is yet to be decoded and checked. None
/// if it says nothing of the kind.
pub fn read(value: &str) -> Option<(DeploymentRef, &[u8])> {
    let (deployment, entry) = value.split_once(' ')?;
    Some((deployment.parse().ok()?, entry.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn web() -> DeploymentRef {
        "default.web".parse().expect("a reference")
    }

    #[test]
    fn what_goes_into_a_header_comes_out_of_it() {
        let entry = br#"{"score":{"a": "b c"}}"#.as_slice();
        let value = value(&web(), entry).expect("fits");
        assert_eq!(read(&value), Some((web(), entry)));
    }

    #[test]
    fn what_could_end_or_break_a_header_stays_out_of_it() {
        for entry in ["{\r\n}", "{\n}", "{\0}", "{\t}", "{\"a\":\"\u{e4}\"}"] {
            assert_eq!(value(&web(), entry.as_bytes()), None, "{entry:?}");
        }
        assert_eq!(value(&web(), b"\xff"), None);
    }

    #[test]
    fn what_says_nothing_is_nothing() {
        for value in ["", " ", "default.web", "web {}", "a.b.c {}", "* {}"] {
            assert_eq!(read(value), None, "{value:?}");
        }
    }
}
