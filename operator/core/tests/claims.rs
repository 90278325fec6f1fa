//! Whatever a device claims, it gets no label that its enrolment does not allow, and each that it
//! does.
#![allow(clippy::expect_used, reason = "test code")]

use std::collections::{BTreeMap, BTreeSet};

use fleet_api::DEVICE_ID_LABEL;
use fleet_contracts::UnixMillis;
use fleet_contracts::payload::{DeviceInfo, Inventory};
use fleet_operator_core::claims::LabelRule;
use fleet_operator_core::describe::describe;
use fleet_operator_core::labels::{Labels, is_key, is_value};
use proptest::prelude::*;

fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(
            &[
                "site",
                "rack",
                "tier",
                DEVICE_ID_LABEL,
                "kubernetes.io/role"
            ][..]
        )
        .prop_map(str::to_owned),
        ".{0,12}",
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(&["", "lyon", "paris", "dev-2"][..]).prop_map(str::to_owned),
        ".{0,8}",
    ]
}

fn labels() -> impl Strategy<Value = Labels> {
    prop::collection::btree_map(key(), value(), 0..8)
}

fn rule() -> impl Strategy<Value = LabelRule> {
    let values = prop::collection::btree_set(value(), 0..3);
    let allowed = prop::collection::btree_map(key(), values, 0..5);
    let both = (prop::option::of(labels()), prop::option::of(allowed));
    both.prop_map(|(bound, allowed)| LabelRule { bound, allowed })
}

/// The rule, written down as naively as can be.
fn may(rule: &LabelRule, key: &str, value: &str) -> bool {
    let bound: Vec<&Labels> = rule.bound.iter().collect();
    let allowed: Vec<&BTreeMap<String, BTreeSet<String>>> = rule.allowed.iter().collect();
    bound.iter().all(|b| b.get(key) == Some(&value.to_owned()))
        && allowed.iter().all(|a| match a.get(key) {
            Some(values) => values.is_empty() || values.contains(value),
            None => false,
        })
}

proptest! {
    #[test]
    fn a_device_gets_the_labels_that_it_may_claim_and_no_others(claimed in labels(), rule in rule()) {
        let info = DeviceInfo {
            schema_version: 1,
            device: "dev-1".parse().expect("an id"),
            labels: claimed.clone(),
            inventory: Inventory::default(),
            at: UnixMillis(0),
        };
        let got = describe(&info, &rule);
        prop_assert_eq!(got.labels.get(DEVICE_ID_LABEL).map(String::as_str), Some("dev-1"));
        let dropped: BTreeSet<&str> = got.dropped.iter().map(|d| d.key.as_str()).collect();
        for (key, value) in got.labels.iter().filter(|(key, _)| *key != DEVICE_ID_LABEL) {
            prop_assert_eq!(claimed.get(key), Some(value), "nobody claimed it");
            prop_assert!(may(&rule, key, value), "{}={} under {:?}", key, value, rule);
        }
        let usable = |key: &str, value: &str| {
            is_key(key) && is_value(value) && !key.starts_with("kubernetes.io/")
        };
        for (key, value) in claimed.iter().filter(|(key, _)| *key != DEVICE_ID_LABEL) {
            let taken = got.labels.contains_key(key);
            prop_assert_eq!(taken, usable(key, value) && may(&rule, key, value));
            prop_assert!(taken || dropped.contains(key.as_str()), "{} is gone unsaid", key);
        }
    }
}
