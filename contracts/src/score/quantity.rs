//! Amounts, written as Kubernetes writes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why an amount was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {given:?} is not valid: it must be {rule}")]
pub struct InvalidQuantity {
    kind: &'static str,
    given: String,
    rule: &'static str,
}

macro_rules! quantity {
    ($(#[$doc:meta])* $name:ident, $pattern:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name {
            // As written, so that the revision stays what the user's text gives.
            text: Box<str>,
            value: u64,
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidQuantity;

            fn try_from(given: String) -> Result<Self, Self::Error> {
                given.parse()
            }
        }

        impl From<$name> for String {
            fn from(quantity: $name) -> Self {
                quantity.text.into()
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", "maxLength": 20, "pattern": $pattern})
            }
        }
    };
}

quantity!(
    /// Bytes: a whole number, optionally with `k`, `M`, `G` (powers of 1000) or `Ki`, `Mi`, `Gi` (of 1024).
    Bytes,
    "^[1-9][0-9]{0,14}([kMG]|[KMG]i)?$"
);
quantity!(
    /// Processors: a decimal with up to three places (`1.5`), or thousandths (`250m`).
    Cpus,
    "^([0-9]{1,4}(\\.[0-9]{1,3})?|[1-9][0-9]{0,6}m)$"
);

impl Bytes {
    /// How many.
    pub const fn bytes(&self) -> u64 {
        self.value
    }
}

impl Cpus {
    /// In thousandths of a processor.
    pub const fn millis(&self) -> u64 {
        self.value
    }
}

impl FromStr for Bytes {
    type Err = InvalidQuantity;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let split = given
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(given.len());
        let (digits, unit) = given.split_at(split);
        let factor = match unit {
            "" => Some(1),
            "k" => Some(1_000),
            "M" => Some(1_000_000),
            "G" => Some(1_000_000_000),
            "Ki" => Some(1 << 10),
            "Mi" => Some(1 << 20),
            "Gi" => Some(1 << 30),
            _ => None,
        };
        let number = digits
            .parse::<u64>()
            .ok()
            .filter(|_| digits.len() <= 15 && !digits.starts_with('0'));
        number.zip(factor).and_then(|(n, f)| n.checked_mul(f)).map_or_else(
            || {
                Err(InvalidQuantity {
                    kind: "amount of bytes",
                    given: given.chars().take(40).collect(),
                    rule: "a whole number above 0, optionally followed by k, M, G, Ki, Mi or Gi",
                })
            },
            |value| Ok(Self { text: given.into(), value }),
        )
    }
}

impl FromStr for Cpus {
    type Err = InvalidQuantity;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        cpu_millis(given).filter(|&value| value > 0).map_or_else(
            || {
                Err(InvalidQuantity {
                    kind: "amount of processors",
                    given: given.chars().take(40).collect(),
                    rule: "above 0, with up to three decimals (1.5), or in thousandths (250m)",
                })
            },
            |value| {
                Ok(Self {
                    text: given.into(),
                    value,
                })
            },
        )
    }
}

fn cpu_millis(given: &str) -> Option<u64> {
    let digits = |s: &str, max: usize| {
        (!s.is_empty() && s.len() <= max && s.bytes().all(|b| b.is_ascii_digit()))
            .then(|| s.parse::<u64>().ok())
            .flatten()
    };
    if let Some(millis) = given.strip_suffix('m') {
        return digits(millis, 7);
    }
    let (whole, fraction) = given.split_once('.').unwrap_or((given, "0"));
    if fraction.is_empty() {
        return None;
    }
    let fraction = digits(&format!("{fraction:0<3}"), 3)?;
    Some(digits(whole, 4)? * 1000 + fraction)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("1", Some(1))]
    #[case("64Mi", Some(64 << 20))]
    #[case("2G", Some(2_000_000_000))]
    #[case("0", None)]
    #[case("1.5Gi", None)]
    #[case("Mi", None)]
    #[case("-1", None)]
    #[case("999999999999999Gi", None)]
    fn bytes(#[case] given: &str, #[case] expected: Option<u64>) {
        assert_eq!(given.parse::<Bytes>().ok().map(|b| b.bytes()), expected);
    }

    #[rstest]
    #[case("1", Some(1000))]
    #[case("0.5", Some(500))]
    #[case("1.25", Some(1250))]
    #[case("250m", Some(250))]
    #[case("0", None)]
    #[case("1.", None)]
    #[case(".5", None)]
    #[case("1.2345", None)]
    fn cpus(#[case] given: &str, #[case] expected: Option<u64>) {
        assert_eq!(given.parse::<Cpus>().ok().map(|c| c.millis()), expected);
    }
}
