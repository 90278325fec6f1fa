//! Kubernetes' rules for labels, and what becomes of labels that break them.

use std::collections::BTreeMap;
use std::fmt;

/// Labels as Kubernetes holds them.
pub type Labels = BTreeMap<String, String>;

/// The most labels taken from one device; a Kubernetes object of 64 labels is still small.
pub const MAX_LABELS: usize = 64;

/// The longest DNS prefix of a key.
const MAX_PREFIX: usize = 253;
/// The longest name of a key, and the longest value.
const MAX_NAME: usize = 63;

/// Whether `key` is a label key: an optional DNS subdomain and `/`, then a name.
///
/// The rule is that of `k8s.io/apimachinery/pkg/api/validate/content.IsLabelKey`.
pub fn is_key(key: &str) -> bool {
    match key.split_once('/') {
        None => is_name(key),
        Some((prefix, name)) => is_subdomain(prefix) && is_name(name),
    }
}

/// Whether `value` is a label value: empty, or a name.
pub fn is_value(value: &str) -> bool {
    value.is_empty() || is_name(value)
}

fn is_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    bytes.len() <= MAX_NAME
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_subdomain(prefix: &str) -> bool {
    let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    prefix.len() <= MAX_PREFIX
        && prefix.split('.').all(|part| {
            let bytes = part.as_bytes();
            edge(bytes.first())
                && edge(bytes.last())
                && bytes
                    .iter()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        })
}

/// Why a label of a device was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DropReason {
    /// The key breaks Kubernetes' rule.
    InvalidKey,
    /// The value breaks Kubernetes' rule.
    InvalidValue,
    /// The key belongs to Kubernetes or to this platform.
    ReservedKey,
    /// The device sent more than [`MAX_LABELS`].
    TooMany,
    /// Its enrolment does not let the device claim it.
    NotAllowed,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidKey => "invalid key",
            Self::InvalidValue => "invalid value",
            Self::ReservedKey => "reserved key",
            Self::TooMany => "too many labels",
            Self::NotAllowed => "not allowed for this device",
        })
    }
}

/// A label that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dropped {
    /// Its key, shortened where it is very long.
    pub key: String,
    /// Why.
    pub reason: DropReason,
}

/// Sorts the labels a device sent into those Kubernetes takes and those to report.
///
/// A device may not set keys of Kubernetes or of this platform: labels decide what runs where, and
/// those prefixes are for the cluster's own people.
pub fn sanitise(given: &Labels) -> (Labels, Vec<Dropped>) {
    let (mut kept, mut dropped) = (Labels::new(), Vec::new());
    for (key, value) in given {
        match refuse(key, value, kept.len()) {
            None => {
                kept.insert(key.clone(), value.clone());
            }
            Some(reason) => dropped.push(Dropped {
                key: key.chars().take(MAX_NAME).collect(),
                reason,
            }),
        }
    }
    (kept, dropped)
}

fn refuse(key: &str, value: &str, kept: usize) -> Option<DropReason> {
    if !is_key(key) {
        return Some(DropReason::InvalidKey);
    }
    if is_reserved(key) {
        return Some(DropReason::ReservedKey);
    }
    if !is_value(value) {
        return Some(DropReason::InvalidValue);
    }
    (kept >= MAX_LABELS).then_some(DropReason::TooMany)
}

fn is_reserved(key: &str) -> bool {
    let within = |prefix: &str, domain: &str| {
        prefix == domain
            || prefix
                .strip_suffix(domain)
                .is_some_and(|sub| sub.ends_with('.'))
    };
    key.split_once('/').is_some_and(|(prefix, _)| {
        ["kubernetes.io", "k8s.io", fleet_api::GROUP]
            .iter()
            .any(|domain| within(prefix, domain))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("region", true)]
    #[case("example.com/tier", true)]
    #[case("A_b-c.d", true)]
    #[case("", false)]
    #[case("-a", false)]
    #[case("a/", false)]
    #[case("/a", false)]
    #[case("a/b/c", false)]
    #[case("Example.com/a", false)]
    #[case("a b", false)]
    fn keys(#[case] key: &str, #[case] valid: bool) {
        assert_eq!(is_key(key), valid);
    }

    #[rstest]
    #[case("", true)]
    #[case("eu-west.1_a", true)]
    #[case("-a", false)]
    #[case("a b", false)]
    #[case("é", false)]
    fn values(#[case] value: &str, #[case] valid: bool) {
        assert_eq!(is_value(value), valid);
    }

    #[test]
    fn what_kubernetes_would_refuse_is_dropped_with_its_reason() {
        let given = [
            ("region", "eu"),
            ("bad key", "x"),
            ("owner", "Jane Doe"),
            ("kubernetes.io/role", "x"),
            ("sub.fleet.nationtech.io/role", "x"),
            ("notkubernetes.io/role", "x"),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let (kept, dropped) = sanitise(&given);
        assert_eq!(
            kept.keys().collect::<Vec<_>>(),
            ["notkubernetes.io/role", "region"]
        );
        let dropped: Vec<_> = dropped.iter().map(|d| (d.key.as_str(), d.reason)).collect();
        assert_eq!(
            dropped,
            [
                ("bad key", DropReason::InvalidKey),
                ("kubernetes.io/role", DropReason::ReservedKey),
                ("owner", DropReason::InvalidValue),
                ("sub.fleet.nationtech.io/role", DropReason::ReservedKey),
            ]
        );
    }

    #[test]
    fn a_flood_of_labels_is_cut() {
        let given = (0..100)
            .map(|i| (format!("k{i:03}"), String::new()))
            .collect();
        let (kept, dropped) = sanitise(&given);
        assert_eq!((kept.len(), dropped.len()), (MAX_LABELS, 36));
    }
}
