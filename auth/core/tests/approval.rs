//! The approval policy: what it approves, what it does not, and how it must be written.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeMap;

use fleet_auth_core::enrol::{
    Applicant, ApprovalPolicy, Approved, Network, Pattern, PolicyError, TokenRecord,
};
use proptest::prelude::*;
use rstest::rstest;

fn token(fleet: Option<&str>, site: Option<&str>) -> TokenRecord {
    TokenRecord {
        hash: String::new(),
        expires_at: 0,
        device_id: None,
        labels: site.map(|site| BTreeMap::from([("site".to_owned(), site.to_owned())])),
        fleet: fleet.map(|fleet| fleet.parse().expect("a fleet")),
        used: None,
    }
}

fn judge(policy: &str, token: &TokenRecord, device: &str, source: &str) -> Option<Approved> {
    let policy = ApprovalPolicy::parse(policy).expect("a policy");
    policy.judge(&Applicant {
        token,
        device: &device.parse().expect("an id"),
        source: source.parse().expect("an address"),
    })
}

const LYON: &str = r#"{"rules": [{
    "name": "lyon", "tokenFleet": "france", "tokenLabels": {"site": "lyon"},
    "deviceIds": ["robot-*", "cell-1"], "sources": ["10.20.0.0/16", "2001:db8::/32"]
}]}"#;

#[test]
fn all_conditions_must_hold_and_the_reason_names_each() {
    let good = token(Some("france"), Some("lyon"));
    let approved = judge(LYON, &good, "robot-7", "10.20.3.4").expect("approved");
    assert_eq!(approved.rule, "lyon");
    assert_eq!(
        approved.because,
        "its token is of fleet france; its token is bound to site=lyon; its id fits robot-*; \
         it asks from 10.20.3.4, in 10.20.0.0/16"
    );
    assert!(judge(LYON, &good, "cell-1", "2001:db8::7").is_some());
    assert!(judge(LYON, &good, "cell-1", "::ffff:10.20.0.1").is_some());
    for (fleet, site, device, source) in [
        (None, Some("lyon"), "robot-7", "10.20.3.4"),
        (Some("spain"), Some("lyon"), "robot-7", "10.20.3.4"),
        (Some("france"), None, "robot-7", "10.20.3.4"),
        (Some("france"), Some("paris"), "robot-7", "10.20.3.4"),
        (Some("france"), Some("lyon"), "cell-12", "10.20.3.4"),
        (Some("france"), Some("lyon"), "robot-7", "10.21.3.4"),
        (Some("france"), Some("lyon"), "robot-7", "2001:db9::7"),
    ] {
        let none = judge(LYON, &token(fleet, site), device, source);
        assert_eq!(none, None, "{fleet:?} {site:?} {device} {source}");
    }
}

#[test]
fn the_first_rule_that_fits_is_the_one_that_is_named() {
    let two = r#"{"rules": [
        {"name": "a", "deviceIds": ["x-*"]},
        {"name": "b", "deviceIds": ["*-1"]},
        {"name": "c", "deviceIds": ["*"]}
    ]}"#;
    let rule = |device| judge(two, &token(None, None), device, "10.0.0.1").map(|a| a.rule);
    assert_eq!(rule("x-1").as_deref(), Some("a"));
    assert_eq!(rule("y-1").as_deref(), Some("b"));
    assert_eq!(rule("y-2").as_deref(), Some("c"));
    assert_eq!(
        judge(r#"{"rules": []}"#, &token(None, None), "x", "::1"),
        None
    );
}

#[rstest]
#[case::not_json("", "approval policy")]
#[case::another_key(r#"{"rules": [{"name": "a", "deviceId": ["x"]}]}"#, "deviceId")]
#[case::no_condition(r#"{"rules": [{"name": "a"}]}"#, "every device")]
#[case::empty_labels(r#"{"rules": [{"name": "a", "tokenLabels": {}}]}"#, "every device")]
#[case::twice(
    r#"{"rules": [{"name": "a", "deviceIds": ["x"]}, {"name": "a", "deviceIds": ["y"]}]}"#,
    "two rules"
)]
#[case::no_name(r#"{"rules": [{"name": "", "deviceIds": ["x"]}]}"#, "name")]
#[case::pattern(
    r#"{"rules": [{"name": "a", "deviceIds": ["Robot-[0-9]"]}]}"#,
    "no pattern"
)]
#[case::network(
    r#"{"rules": [{"name": "a", "sources": ["10.20.30.40/16"]}]}"#,
    "10.20.30.40/16"
)]
#[case::fleet(r#"{"rules": [{"name": "a", "tokenFleet": "a.b"}]}"#, "fleet name")]
fn what_is_not_a_policy_says_why(#[case] text: &str, #[case] named: &str) {
    let error = ApprovalPolicy::parse(text).expect_err("refused");
    assert!(error.to_string().contains(named), "{error}");
    let many: Vec<_> = (0..300)
        .map(|n| format!(r#"{{"name": "r{n}", "deviceIds": ["x"]}}"#))
        .collect();
    let many = format!(r#"{{"rules": [{}]}}"#, many.join(","));
    assert_eq!(ApprovalPolicy::parse(&many), Err(PolicyError::TooMany));
}

/// The plain way: try every length for each star.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some((b'*', rest)) => (0..=text.len()).any(|n| fits(rest, &text[n..])),
        Some((c, rest)) => text.first() == Some(c) && fits(rest, &text[1..]),
    }
}

proptest! {
    #[test]
    fn a_pattern_fits_what_the_plain_way_says(pattern in "[ab*]{1,7}", text in "[ab]{0,8}") {
        let parsed: Pattern = pattern.parse().expect("a pattern");
        prop_assert_eq!(parsed.fits(&text), fits(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn a_network_holds_what_begins_alike(bits in any::<u32>(), other in any::<u32>(), prefix in 0_u8..=32) {
        let mask = u32::MAX.checked_shl(u32::from(32 - prefix)).unwrap_or(0);
        let first = std::net::Ipv4Addr::from_bits(bits & mask);
        let network: Network = format!("{first}/{prefix}").parse().expect("a network");
        let address = std::net::Ipv4Addr::from_bits(other);
        prop_assert_eq!(network.holds(address.into()), other & mask == bits & mask);
        prop_assert!(!network.holds(std::net::Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn any_text_is_refused_with_a_reason_or_is_a_policy(text in ".{0,200}") {
        if let Err(error) = ApprovalPolicy::parse(&text) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
