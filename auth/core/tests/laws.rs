#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! What holds of every login, whatever is in it.

mod support;

use fleet_auth_core::callout::{AuthRequest, ServiceKeys};
use fleet_auth_core::policy::PolicyBook;
use fleet_auth_core::{Caps, DevicePolicy, Grant, KeySet, Request, judge};
use fleet_contracts::DeviceId;
use nkeys::{KeyPair, XKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{ISSUER, Issuer, NOW, ROLES, claims, rules, with};

/// Names as attackers would choose them, beside good ones.
fn device_name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9]([-a-z0-9]{0,10}[a-z0-9])?",
        "[a-zA-Z0-9.*> _$-]{0,12}",
        "\\PC{0,8}",
        Just("*".to_owned()),
        Just(">".to_owned()),
        Just("dev-1.>".to_owned()),
        Just("dev-1\ndev-2".to_owned()),
    ]
}

fn policy() -> impl Strategy<Value = DevicePolicy> {
    let number = || proptest::option::of(any::<u32>());
    let owner = proptest::option::of(prop_oneof![Just("u-1"), Just("u-2")]);
    let rest = (any::<bool>(), any::<bool>(), number(), number());
    (owner, rest, proptest::option::of(any::<u64>())).prop_map(|(owner, rest, max_lifetime)| {
        let (enabled, denied, max_subscriptions, max_payload) = rest;
        DevicePolicy {
            subject: owner.map(str::to_owned),
            enabled,
            denied,
            allowed_labels: None,
            max_subscriptions,
            max_payload,
            max_lifetime,
            on_clone: None,
        }
    })
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
        Just(json!("device")),
        Just(json!("42")),
        Just(json!(ISSUER)),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![
            "[a-z]{1,3}",
            Just("device".to_owned()),
            Just("42".to_owned())
        ];
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn claim() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        ROLES,
        "urn:zitadel:iam:user:metadata",
    ])
}

/// Written down once more, by hand: what a device may ever be given.
fn its_own(id: &str) -> [Vec<String>; 2] {
    let publish = [
        format!("get.desired.{id}.>"),
        format!("up.info.{id}"),
        format!("up.state.{id}.*.*"),
        format!("up.heartbeat.{id}"),
    ];
    let subscribe = [format!("down.desired.{id}"), format!("_INBOX_{id}.>")];
    [publish.to_vec(), subscribe.to_vec()]
}

fn judged(
    token: &str,
    keys: &KeySet,
    default: Option<DevicePolicy>,
    entropy: u64,
) -> Option<Grant> {
    let book = PolicyBook {
        default,
        ..PolicyBook::default()
    };
    let (rules, caps) = (rules(), Caps::default());
    let request = Request {
        token,
        rules: &rules,
        caps: &caps,
        entropy,
    };
    judge(&request, keys, &book, NOW).ok()
}

proptest! {
    #[test]
    fn no_verdict_grants_a_subject_outside_the_devices_own(
        name in device_name(),
        policy in policy(),
        life in 0_u64..100_000,
        entropy in any::<u64>(),
    ) {
        let issuer = Issuer::default();
        let token = issuer.token(&with(claims(&name), "exp", json!(NOW + life)));
        if let Some(grant) = judged(&token, &issuer.keys(), Some(policy.clone()), entropy) {
            prop_assert!(name.parse::<DeviceId>().is_ok());
            prop_assert_eq!(grant.device.as_ref() as &str, &name);
            let granted = [grant.permissions.publish, grant.permissions.subscribe];
            prop_assert_eq!(granted, its_own(&name));
            prop_assert!(policy.enabled && !policy.denied);
            prop_assert!(policy.subject.is_none_or(|owner| owner == "u-1"));
            let caps = Caps::default();
            prop_assert!(grant.limits.payload <= caps.limits.payload);
            prop_assert!(grant.limits.subscriptions <= caps.limits.subscriptions);
            let latest = (NOW + life + 5).min(NOW + caps.lifetime);
            let latest = latest.min(NOW.saturating_add(policy.max_lifetime.unwrap_or(u64::MAX)));
            prop_assert!(NOW < grant.expires && grant.expires <= latest);
        }
    }

    #[test]
    fn a_token_that_was_changed_never_passes(at in any::<prop::sample::Index>(), other in any::<u8>(), kind in 0..3) {
        let issuer = Issuer::default();
        let keys = issuer.keys();
        let token = issuer.token(&claims("dev-1"));
        prop_assert!(judged(&token, &keys, Some(DevicePolicy::default()), 0).is_some());
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        let other = other % 128;
        match kind {
            0 => bytes[at] = other,
            1 => bytes.insert(at, other),
            _ => drop(bytes.remove(at)),
        }
        let changed = String::from_utf8(bytes).expect("ascii");
        if changed != token {
            prop_assert!(judged(&changed, &keys, Some(DevicePolicy::default()), 0).is_none());
        }
    }

    #[test]
    fn a_token_of_another_issuer_never_passes(name in device_name()) {
        let token = Issuer::default().token(&claims(&name));
        let keys = Issuer::default().keys();
        prop_assert!(judged(&token, &keys, Some(DevicePolicy::default()), 0).is_none());
    }

    #[test]
    fn signed_nonsense_is_refused_without_a_panic(name in claim(), value in json_value()) {
        let issuer = Issuer::default();
        let token = issuer.token(&with(claims("dev-1"), name, value.clone()));
        if judged(&token, &issuer.keys(), Some(DevicePolicy::default()), 0).is_some() {
            let text = value.as_str();
            let right = match name {
                "iss" => text == Some(ISSUER),
                "sub" => text.is_some_and(|text| !text.is_empty()),
                "jti" => text.is_some() || value.is_null(),
                "nbf" => value.is_number() || value.is_null(),
                "iat" | "exp" => value.is_number(),
                ROLES => value.pointer("/device/42").is_some(),
                // Nothing that is drawn here is the right audience, or names a device.
                _ => false,
            };
            prop_assert!(right, "{name} = {value}");
        }
    }

    #[test]
    fn garbage_is_refused_without_a_panic(text in "\\PC{0,200}", dotted in "[A-Za-z0-9_-]{0,40}(\\.[A-Za-z0-9_-]{0,40}){0,4}") {
        let keys = Issuer::default().keys();
        for token in [text, dotted] {
            prop_assert!(judged(&token, &keys, Some(DevicePolicy::default()), 0).is_none());
        }
    }

    #[test]
    fn key_sets_of_any_shape_are_read_without_a_panic(keys in proptest::collection::vec(json_value(), 0..4), x in "[A-Za-z0-9_=-]{0,50}") {
        let forged = [("RSA", "n", "e"), ("EC", "x", "y"), ("OKP", "x", "d")];
        let forged = forged.map(|(kty, a, b)| json!({
            "kty": kty, "kid": "k", "crv": if kty == "EC" { "P-256" } else { "Ed25519" }, a: x, b: x,
        }));
        for set in [json!({"keys": keys}), json!({"keys": forged}), json!(keys)] {
            let _ = KeySet::parse(set.to_string().as_bytes());
        }
    }

    #[test]
    fn garbage_from_the_bus_is_refused_without_a_panic(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        sender in proptest::option::of("[A-Z2-7]{0,60}|\\PC{0,60}"),
        inner in "\\PC{0,100}",
    ) {
        let (issuer, curve, server) = (KeyPair::new_account(), XKey::new(), XKey::new());
        let seeds = (issuer.seed().expect("a seed"), curve.seed().expect("a seed"));
        let keys = ServiceKeys::from_seeds([&*seeds.0], [&*seeds.1]).expect("keys");
        prop_assert!(AuthRequest::open(&body, sender.as_deref(), &keys, NOW).is_err());
        let sealed = server.seal(inner.as_bytes(), &curve).expect("sealed");
        let sender = server.public_key();
        prop_assert!(AuthRequest::open(&sealed, Some(&sender), &keys, NOW).is_err());
    }
}
