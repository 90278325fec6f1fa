#![allow(clippy::expect_used, clippy::panic, reason = "test code")]
//! Tokens of several identity providers, and those that prove too little.

mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_auth_core::rules::{DeviceClaim, Encoding, Organisation, Pointer, RoleRule};
use fleet_auth_core::{AuthReason, Identity, TokenRules, identify};
use rstest::rstest;
use serde_json::{Value, json};
use support::{ISSUER, Issuer, NOW, ROLES, claims, key_set, pointer, rules, with};

fn reason(claims: &Value, rules: &TokenRules) -> Option<AuthReason> {
    let issuer = Issuer::default();
    let verdict = identify(&issuer.token(claims), &issuer.keys(), rules, NOW);
    verdict.err().map(|refusal| refusal.reason)
}

#[test]
fn a_token_of_zitadel_names_its_device() {
    let issuer = Issuer::default();
    let identity = identify(
        &issuer.token(&claims("dev-1")),
        &issuer.keys(),
        &rules(),
        NOW,
    );
    let expected = Identity {
        device: "dev-1".parse().expect("valid"),
        subject: "u-1".to_owned(),
        key_id: "k1".to_owned(),
        token_id: Some("t-1".to_owned()),
        expires: NOW + 605,
    };
    assert_eq!(identity, Ok(expected));
}

#[test]
fn an_identity_ends_with_the_tokens_expiry_or_with_its_age() {
    let issuer = Issuer::default();
    let ends = |claims: Value| {
        let identity = identify(&issuer.token(&claims), &issuer.keys(), &rules(), NOW);
        identity.map(|identity| identity.expires)
    };
    let long = with(claims("dev-1"), "exp", json!(NOW + 43_200));
    assert_eq!(ends(long.clone()), Ok(NOW + 3605));
    assert_eq!(ends(with(long, "iat", json!(NOW - 3600))), Ok(NOW + 5));
}

#[test]
fn a_claim_is_named_by_a_pointer() {
    for given in ["", "/", "roles", "$.roles"] {
        assert!(given.parse::<Pointer>().is_err(), "{given:?}");
    }
    let name = "https://claims.example.com/~roles";
    let escaped = "/https:~1~1claims.example.com~1~0roles";
    assert_eq!(Pointer::to_claim(name), pointer(escaped));
}

/// Keycloak: roles are a list, the realm is the organisation, the user's name is the device's.
fn keycloak(organisation: Organisation) -> TokenRules {
    TokenRules {
        role: RoleRule {
            claim: pointer("/realm_access/roles"),
            role: "device".to_owned(),
            organisation,
        },
        device: DeviceClaim {
            claim: pointer("/preferred_username"),
            encoding: Encoding::Plain,
        },
        ..rules()
    }
}

fn keycloak_claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "6f1c", "aud": "311", "iat": NOW, "exp": NOW + 300, "azp": "dev-1",
        "realm_access": {"roles": ["offline_access", "device"]},
        "preferred_username": "dev-1", "organization": ["fleet", "other"],
    })
}

#[test]
fn a_token_of_keycloak_does_the_same_by_other_claims() {
    let fleet = |id: &str| Organisation::InClaim {
        claim: pointer("/organization"),
        id: id.to_owned(),
    };
    assert_eq!(
        reason(&keycloak_claims(), &keycloak(Organisation::OfIssuer)),
        None
    );
    assert_eq!(reason(&keycloak_claims(), &keycloak(fleet("fleet"))), None);
    let elsewhere = reason(&keycloak_claims(), &keycloak(fleet("elsewhere")));
    assert_eq!(elsewhere, Some(AuthReason::OrganisationWrong));
    let list = json!({"roles": ["offline_access", "devices"]});
    let without = with(keycloak_claims(), "realm_access", list);
    let without = reason(&without, &keycloak(Organisation::OfIssuer));
    assert_eq!(without, Some(AuthReason::RoleMissing));
}

#[rstest]
#[case::issuer_with_a_slash("iss", json!("https://id.example.com/"), AuthReason::IssuerWrong)]
#[case::no_issuer("iss", Value::Null, AuthReason::IssuerWrong)]
#[case::audience_of_another_type("aud", json!(311), AuthReason::TokenMalformed)]
#[case::audience_in_part("aud", json!("3110"), AuthReason::AudienceWrong)]
#[case::expired_beyond_the_leeway("exp", json!(NOW - 5), AuthReason::TokenExpired)]
#[case::expiry_that_is_no_date("exp", json!("never"), AuthReason::TokenMalformed)]
#[case::expiry_below_zero("exp", json!(-1), AuthReason::TokenMalformed)]
#[case::minted_in_the_future("iat", json!(NOW + 6), AuthReason::TokenNotYetValid)]
#[case::not_yet("nbf", json!(NOW + 6), AuthReason::TokenNotYetValid)]
#[case::minted_long_ago("iat", json!(NOW - 3605), AuthReason::TokenTooOld)]
#[case::never_minted("iat", Value::Null, AuthReason::TokenMalformed)]
#[case::nobody("sub", json!(""), AuthReason::TokenMalformed)]
#[case::role_of_another_project(ROLES, Value::Null, AuthReason::RoleMissing)]
#[case::role_that_begins_so(ROLES, json!({"device-viewer": {"42": ""}}), AuthReason::RoleMissing)]
#[case::role_elsewhere(ROLES, json!({"device": {"43": ""}}), AuthReason::OrganisationWrong)]
#[case::role_nowhere(ROLES, json!({"device": {}}), AuthReason::OrganisationWrong)]
#[case::role_by_claimed_text(ROLES, json!({"device": "42"}), AuthReason::OrganisationWrong)]
fn what_proves_too_little_is_refused(
    #[case] claim: &str,
    #[case] value: Value,
    #[case] expected: AuthReason,
) {
    assert_eq!(
        reason(&with(claims("dev-1"), claim, value), &rules()),
        Some(expected)
    );
}

#[rstest]
#[case::expired_within_the_leeway("exp", json!(NOW - 4))]
#[case::minted_within_the_leeway("iat", json!(NOW + 5))]
#[case::fractions("exp", json!(1_800_000_060.5))]
#[case::one_audience("aud", json!("311"))]
#[case::no_id("jti", Value::Null)]
#[case::no_start("nbf", Value::Null)]
fn what_is_unusual_but_well_passes(#[case] claim: &str, #[case] value: Value) {
    assert_eq!(reason(&with(claims("dev-1"), claim, value), &rules()), None);
}

#[rstest]
#[case::none(json!({"alg": "none", "kid": "k1"}), AuthReason::AlgorithmRefused)]
#[case::none_in_capitals(json!({"alg": "NONE", "kid": "k1"}), AuthReason::AlgorithmRefused)]
#[case::hmac(json!({"alg": "HS256", "kid": "k1"}), AuthReason::AlgorithmRefused)]
#[case::another_of_its_own(json!({"alg": "RS256", "kid": "k1"}), AuthReason::AlgorithmMismatch)]
#[case::no_key(json!({"alg": "EdDSA"}), AuthReason::KeyUnknown)]
#[case::unknown_key(json!({"alg": "EdDSA", "kid": "../k1"}), AuthReason::KeyUnknown)]
#[case::a_key_that_it_brings(json!({"alg": "EdDSA", "jwk": {"kty": "OKP"}}), AuthReason::KeyUnknown)]
#[case::critical(json!({"alg": "EdDSA", "kid": "k1", "crit": ["b64"]}), AuthReason::TokenMalformed)]
#[case::critical_null(json!({"alg": "EdDSA", "kid": "k1", "crit": []}), AuthReason::TokenMalformed)]
fn headers_do_not_choose_how_they_are_verified(
    #[case] header: Value,
    #[case] expected: AuthReason,
) {
    let issuer = Issuer::default();
    let token = issuer.token_with(&header, &claims("dev-1"));
    let verdict = identify(&token, &issuer.keys(), &rules(), NOW);
    assert_eq!(verdict.expect_err("refused").reason, expected);
}

#[test]
fn a_refusal_names_only_what_was_verified() {
    let issuer = Issuer::default();
    let token = issuer.token(&with(claims("dev-1"), "aud", json!("other")));
    let about = identify(&token, &issuer.keys(), &rules(), NOW)
        .expect_err("refused")
        .about;
    assert_eq!(about.subject.as_deref(), Some("u-1"));
    let strange = Issuer::default().keys();
    let about = identify(&token, &strange, &rules(), NOW)
        .expect_err("refused")
        .about;
    assert_eq!((about.subject, about.key_id.as_deref()), (None, Some("k1")));
}

#[test]
fn keys_that_could_verify_anything_are_left_out() {
    let good = Issuer::default().jwk();
    let named = |kid: &str, member: &str, value: Value| {
        with(with(good.clone(), "kid", json!(kid)), member, value)
    };
    let number = |length: usize| URL_SAFE_NO_PAD.encode(vec![0xfd; length]);
    let rsa = |kid: &str, bytes: usize, alg: &str| json!({"kty": "RSA", "kid": kid, "alg": alg, "n": number(bytes), "e": "AQAB"});
    let set = key_set(&[
        good.clone(),
        rsa("rsa", 256, "RS256"),
        rsa("pss", 256, "PS256"),
        // For encryption, symmetric, too small, of another kind than it says, twice, nameless.
        named("encryption", "use", json!("enc")),
        json!({"kty": "oct", "kid": "secret", "alg": "HS256", "k": "c2VjcmV0"}),
        named("hmac", "alg", json!("HS256")),
        rsa("small", 128, "RS256"),
        rsa("as-ec", 256, "ES256"),
        named("as-rsa", "alg", json!("RS256")),
        named("twice", "use", json!("sig")),
        named("twice", "use", json!("sig")),
        named("", "kid", Value::Null),
        json!({"kty": "EC", "crv": "P-256", "kid": "off-curve", "x": number(32), "y": number(32)}),
    ]);
    let set = set.expect("some are usable");
    let ids: Vec<_> = set.ids().collect();
    assert_eq!(ids, ["k1", "pss", "rsa"]);
    assert!(
        key_set(&[]).is_none(),
        "a set without keys would lock everybody out"
    );
}
