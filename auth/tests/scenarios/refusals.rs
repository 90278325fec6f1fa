//! Who is not let in, each for its reason.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_testbed::wait;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::idp::{Key, PROJECT, now, signing_input};
use crate::scene::{SOON, Scene, audit, with};

fn roles(value: Value) -> (String, Value) {
    (
        format!("urn:zitadel:iam:org:project:{PROJECT}:roles"),
        value,
    )
}

/// A token whose signature is an HMAC with the public key as its secret.
fn keyed_with_the_public_key(key: &Key, claims: &Value) -> String {
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": key.id});
    let signed = signing_input(&header, claims);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, &key.public_der());
    let tag = hmac::sign(&secret, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}

fn attacks(scene: &Scene, stranger: &Key) -> Vec<(&'static str, String, &'static str)> {
    let key = &scene.key;
    let good = || scene.idp.claims("dev-1");
    let changed = |name: &str, value: Value| key.token(&with(good(), name, value));
    let with_roles = |value: Value| {
        let (name, value) = roles(value);
        changed(&name, value)
    };
    let device = |id: &str| {
        let metadata = json!({"device-id": URL_SAFE_NO_PAD.encode(id)});
        changed("urn:zitadel:iam:user:metadata", metadata)
    };
    let unsigned = format!(
        "{}.",
        signing_input(&json!({"alg": "none", "kid": "key-1"}), &good())
    );
    let claimed = Key::new(&key.id);
    let swapped = {
        let token = key.token(&good());
        let (_, signature) = token.rsplit_once('.').expect("three parts");
        let header = json!({"alg": "RS256", "typ": "JWT", "kid": "key-1"});
        format!(
            "{}.{signature}",
            signing_input(&header, &scene.idp.claims("dev-2"))
        )
    };
    let pss = json!({"alg": "PS256", "typ": "JWT", "kid": "key-1"});
    let other_algorithm = format!("{}.AAAA", signing_input(&pss, &good()));
    vec![
        (
            "wrong-audience",
            changed("aud", json!(["312"])),
            "AudienceWrong",
        ),
        ("no-audience", changed("aud", Value::Null), "AudienceWrong"),
        (
            "wrong-issuer",
            changed("iss", json!("https://evil.example")),
            "IssuerWrong",
        ),
        ("expired", changed("exp", json!(now() - 60)), "TokenExpired"),
        (
            "too-early",
            changed("nbf", json!(now() + 300)),
            "TokenNotYetValid",
        ),
        (
            "too-old",
            changed("iat", json!(now() - 7200)),
            "TokenTooOld",
        ),
        ("no-expiry", changed("exp", Value::Null), "TokenMalformed"),
        ("no-roles", with_roles(Value::Null), "RoleMissing"),
        (
            "other-role",
            with_roles(json!({"admin": {"42": "x"}})),
            "RoleMissing",
        ),
        (
            "other-organisation",
            with_roles(json!({"device": {"43": "x"}})),
            "OrganisationWrong",
        ),
        (
            "role-without-organisation",
            with_roles(json!(["device"])),
            "OrganisationWrong",
        ),
        (
            "no-device",
            changed("urn:zitadel:iam:user:metadata", Value::Null),
            "DeviceIdMissing",
        ),
        ("device-wildcard", device("*"), "DeviceIdInvalid"),
        ("device-all", device(">"), "DeviceIdInvalid"),
        ("device-dots", device("dev-2.shop"), "DeviceIdInvalid"),
        ("algorithm-none", unsigned, "AlgorithmRefused"),
        (
            "algorithm-hmac",
            keyed_with_the_public_key(key, &good()),
            "AlgorithmRefused",
        ),
        ("algorithm-other", other_algorithm, "AlgorithmMismatch"),
        ("key-unknown", stranger.token(&good()), "KeyUnknown"),
        ("key-claimed", claimed.token(&good()), "SignatureInvalid"),
        ("claims-swapped", swapped, "SignatureInvalid"),
        ("opaque", "dGhpcyBpcyBvcGFxdWU".to_owned(), "TokenOpaque"),
        ("oversize", "a".repeat(8 * 1024 + 1), "TokenOversize"),
        ("empty", String::new(), "TokenMissing"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_that_prove_too_little_are_refused_for_their_reason() {
    let scene = Scene::start("callout-refusals").await;
    let callout = scene.callout(scene.options("callout")).await;
    let stranger = Key::new("key-of-another");
    let attacks = attacks(&scene, &stranger);
    let attempts = attacks
        .iter()
        .map(|(name, token, _)| scene.lets_in(name, token));
    let outcomes = join_all(attempts).await;
    for ((name, token, reason), outcome) in attacks.iter().zip(outcomes) {
        assert!(!outcome, "{name} was let in");
        let lines = audit(&callout, name);
        let said = format!("reason=\"{reason}\"");
        assert!(
            !lines.is_empty() && lines.iter().all(|line| line.contains(&said)),
            "{name}: {reason}: {lines:?}"
        );
        let leaked = token.len() > 20 && callout.log().contains(token.as_str());
        assert!(!leaked, "{name}: the token is in the log");
    }
    let let_in = scene.lets_in("dev-1", &scene.token("dev-1")).await;
    assert!(let_in, "a good token, afterwards");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_longer_than_a_line_never_reaches_the_callout() {
    let scene = Scene::start("callout-line").await;
    let callout = scene.callout(scene.options("callout")).await;
    assert!(!scene.lets_in("long", &"a".repeat(20_000)).await);
    assert_eq!(audit(&callout, "long"), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_decides_about_devices_that_prove_who_they_are() {
    let scene = Scene::start("callout-policy").await;
    scene.decide(
        r#"{"devices": {
            "dev-1": {},
            "dev-lost": {"denied": true},
            "dev-resting": {"enabled": false},
            "dev-bound": {"subject": "user-of-somebody-else"}
        }}"#,
    );
    let callout = scene.callout(scene.options("callout")).await;
    for (name, reason) in [
        ("dev-lost", "DeviceDenied"),
        ("dev-resting", "DeviceDisabled"),
        ("dev-bound", "SubjectMismatch"),
        ("dev-unknown", "PolicyMissing"),
    ] {
        assert!(!scene.lets_in(name, &scene.token(name)).await, "{name}");
        let lines = audit(&callout, name);
        let said = format!("reason=\"{reason}\"");
        assert!(lines.iter().any(|line| line.contains(&said)), "{lines:?}");
        // The server was told why; the device was not. It may write that down after it refused.
        let server = scene.bed.nats().expect("a bus").service();
        let told = || async { server.log().contains(reason) };
        assert!(wait::until(SOON, told).await, "{}", server.log());
    }
    let token = scene.token("dev-1");
    assert!(scene.lets_in("dev-1", &token).await, "listed");

    // A verified token is remembered; what was decided about its device is not.
    scene.decide(r#"{"devices": {"dev-1": {"denied": true}}}"#);
    let denied = || async {
        !scene.lets_in("dev-1", &token).await
            && audit(&callout, "dev-1")
                .iter()
                .any(|line| line.contains("DeviceDenied"))
    };
    assert!(wait::until(SOON, denied).await, "{}", callout.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_logs_in_without_end_is_slowed_and_others_are_not() {
    let scene = Scene::start("callout-rate").await;
    let options = scene.options("callout");
    let options = options.args(["--login-burst", "2", "--logins-per-minute", "1"]);
    let callout = scene.callout(options).await;
    let token = scene.token("dev-1");
    for _ in 0..2 {
        assert!(scene.lets_in("dev-1", &token).await, "in its burst");
    }
    assert!(!scene.lets_in("dev-1", &token).await, "beyond it");
    let lines = audit(&callout, "dev-1");
    assert!(lines.iter().any(|line| line.contains("RateLimited")));
    let other = scene.lets_in("dev-2", &scene.token("dev-2")).await;
    assert!(other, "another device");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_only_fails_is_no_longer_listened_to_but_known_devices_behind_it_are() {
    let scene = Scene::start("callout-failures").await;
    let options = scene.options("callout");
    let options = options.args(["--failure-burst", "3", "--failures-per-minute", "1"]);
    let callout = scene.callout(options).await;
    let token = scene.token("dev-1");
    assert!(scene.lets_in("dev-1", &token).await, "nobody failed yet");
    let stranger = Key::new(&scene.key.id);
    for number in 0..3 {
        let name = format!("guess-{number}");
        assert!(
            !scene
                .lets_in(&name, &stranger.token(&scene.idp.claims("dev-1")))
                .await
        );
        let lines = audit(&callout, &name);
        assert!(lines[0].contains("SignatureInvalid"), "{lines:?}");
    }
    let guess = stranger.token(&scene.idp.claims("dev-1"));
    assert!(!scene.lets_in("guess-more", &guess).await);
    let lines = audit(&callout, "guess-more");
    assert!(lines[0].contains("RateLimited"), "{lines:?}");
    assert!(lines[0].contains("from this address"), "{lines:?}");
    assert!(scene.lets_in("dev-1", &token).await, "its token is known");
}
