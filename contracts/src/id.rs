//! Names that cross the wire. One rule each, checked once, on entry.
//!
//! Device, namespace, deployment and service names are RFC 1123 labels: each is at the same time a
//! Kubernetes name, one token of a NATS subject and part of a container's name, so none may hold a
//! dot, a wildcard or white space.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::base::checked_string;

/// The longest RFC 1123 label, in bytes.
pub const MAX_LABEL: usize = 63;

/// The rule of RFC 1123 labels as a regular expression (RE2 and ECMA agree on it).
pub const LABEL_PATTERN: &str = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$";

/// Why a name was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {given:?} is not valid: it must be {rule}")]
pub struct InvalidName {
    kind: &'static str,
    given: String,
    rule: &'static str,
}

impl InvalidName {
    /// At most this much of a bad name is repeated in the message.
    const SHOWN: usize = 100;

    pub(crate) fn new(kind: &'static str, given: &str, rule: &'static str) -> Self {
        let given = given.chars().take(Self::SHOWN).collect();
        Self { kind, given, rule }
    }

    /// The stable reason: condition reason, metric label, log field.
    pub const fn reason(&self) -> &'static str {
        "InvalidName"
    }
}

macro_rules! label {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        checked_string!(
            $(#[$doc])* $name, kind: $kind, max: MAX_LABEL, pattern: LABEL_PATTERN,
            rule: "1 to 63 of a-z, 0-9 and '-', starting and ending with a letter or digit (RFC 1123 label)",
            check: is_label, error: InvalidName
        );
    };
}

label!(
    /// A device: its `Device` object's name, its token in every subject, its NATS client name.
    DeviceId,
    "device id"
);
label!(
    /// A fleet, as enrolment tokens name the one they were made for.
    FleetName,
    "fleet name"
);
label!(
    /// A Kubernetes namespace.
    Namespace,
    "namespace"
);
label!(
    /// A `Deployment`'s name; stricter than Kubernetes, which would allow dots.
    DeploymentName,
    "deployment name"
);
label!(
    /// A service inside a deployment; also the last part of its container's name.
    ServiceName,
    "service name"
);

fn is_label(s: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let bytes = s.as_bytes();
    bytes
        .iter()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && edge(bytes.first())
        && edge(bytes.last())
}

/// A deployment on the wire, `<namespace>.<name>`: two namespaces never overwrite each other.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct DeploymentRef {
    /// The namespace of the `Deployment`.
    pub namespace: Namespace,
    /// Its name.
    pub name: DeploymentName,
}

impl fmt::Display for DeploymentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.name)
    }
}

impl FromStr for DeploymentRef {
    type Err = InvalidName;

    fn from_str(given: &str) -> Result<Self, Self::Err> {
        let (namespace, name) = given
            .split_once('.')
            .ok_or_else(|| InvalidName::new("deployment reference", given, "<namespace>.<name>"))?;
        Ok(Self {
            namespace: namespace.parse()?,
            name: name.parse()?,
        })
    }
}

impl TryFrom<String> for DeploymentRef {
    type Error = InvalidName;

    fn try_from(given: String) -> Result<Self, Self::Error> {
        given.parse()
    }
}

impl From<DeploymentRef> for String {
    fn from(reference: DeploymentRef) -> Self {
        reference.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_could_escape_its_subject_is_refused() {
        for given in [
            "",
            "a.b",
            "a*",
            ">",
            "A",
            "-a",
            "a-",
            "a b",
            "é",
            "_manifest",
            &"x".repeat(64),
        ] {
            assert_eq!(
                given.parse::<DeviceId>().map_err(|e| e.reason()),
                Err("InvalidName"),
                "{given:?}"
            );
        }
    }

    #[test]
    fn the_longest_and_shortest_labels_are_taken() {
        for given in ["a", "0", "a-b", &"x".repeat(63)] {
            assert_eq!(
                given.parse::<DeviceId>().map(String::from),
                Ok(given.to_owned())
            );
        }
    }

    #[test]
    fn a_reference_has_exactly_two_labels() {
        let reference: DeploymentRef = "shop.web".parse().expect("valid");
        assert_eq!(reference.to_string(), "shop.web");
        for given in ["shop", "shop.", ".web", "a.b.c"] {
            assert!(given.parse::<DeploymentRef>().is_err(), "{given:?}");
        }
    }

    #[test]
    fn serde_refuses_what_parsing_refuses() {
        assert!(serde_json::from_str::<DeviceId>("\"a.b\"").is_err());
        assert!(serde_json::from_str::<DeviceId>("\"a-b\"").is_ok());
    }
}
