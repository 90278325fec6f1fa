//! The identity of a score: SHA-256 of its canonical JSON, computed the same on both ends.

use std::fmt;
use std::fmt::Write as _;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::id::InvalidName;

/// SHA-256 of a score's canonical JSON; 64 hexadecimal digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Revision([u8; 32]);

impl Revision {
    /// The revision of a score as it came over the wire, with the fields this version does not know.
    pub fn of(score: &Value) -> Self {
        Self(Sha256::digest(canonical_json(score)).into())
    }

    /// The first 12 digits: enough for people and container names.
    pub fn short(&self) -> String {
        HEXLOWER.encode(&self.0[..6])
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Revision({})", self.short())
    }
}

impl FromStr for Revision {
    type Err = InvalidName;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        decode(given)
            .map(Self)
            .ok_or_else(|| InvalidName::new("revision", given, "64 hexadecimal digits"))
    }
}

impl TryFrom<String> for Revision {
    type Error = InvalidName;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        given.parse()
    }
}

impl From<Revision> for String {
    fn from(revision: Revision) -> Self {
        HEXLOWER.encode(&revision.0)
    }
}

fn decode(given: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if given.len() != 2 * bytes.len() {
        // The library panics where the room does not fit.
        return None;
    }
    HEXLOWER.decode_mut(given.as_bytes(), &mut bytes).ok()?;
    Some(bytes)
}

/// JSON with sorted keys and no insignificant white space.
///
/// Keys are sorted here by their bytes because `serde_json`'s own order depends on a feature that
/// any dependency may switch on.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    write_canonical(value, &mut out);
    out
}

fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, field)) in fields.into_iter().enumerate() {
                separate(i, out);
                write_scalar(&key.as_str().into(), out);
                out.push(':');
                write_canonical(field, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                separate(i, out);
                write_canonical(item, out);
            }
            out.push(']');
        }
        scalar => write_scalar(scalar, out),
    }
}

fn separate(index: usize, out: &mut String) {
    if index > 0 {
        out.push(',');
    }
}

fn write_scalar(scalar: &Value, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = write!(out, "{scalar}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn key_order_and_white_space_do_not_count() {
        let a: Value =
            serde_json::from_str(r#"{"b":1, "a":{"y":[1, 2],"x":"é\n"}}"#).expect("json");
        assert_eq!(canonical_json(&a), r#"{"a":{"x":"é\n","y":[1,2]},"b":1}"#);
    }

    #[test]
    fn the_hash_is_what_sha256sum_says() {
        // printf '{"a":1}' | sha256sum
        assert_eq!(
            Revision::of(&json!({"a": 1})).to_string(),
            "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
        );
    }

    #[test]
    fn only_64_lower_case_hex_digits_are_a_revision() {
        for given in ["", "0", &"g".repeat(64), &"A".repeat(64), &"0".repeat(65)] {
            assert!(given.parse::<Revision>().is_err(), "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn parsing_canonical_json_gives_the_same_revision(map in proptest::collection::btree_map(".*", any::<i64>(), 0..8)) {
            let value = json!(map);
            let again: Value = serde_json::from_str(&canonical_json(&value)).expect("json");
            prop_assert_eq!(Revision::of(&again), Revision::of(&value));
        }

        #[test]
        fn a_revision_survives_the_round_trip(n in any::<u64>()) {
            let revision = Revision::of(&json!(n));
            prop_assert_eq!(revision.to_string().parse::<Revision>(), Ok(revision));
        }
    }
}
