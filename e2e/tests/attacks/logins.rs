//! Tokens that prove too little. The attacker's own good one has let it in before.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_testbed::wait;
use serde_json::{Value, json};

use crate::assertions::{assertion, exchange, machine};
use crate::bed::SOON;
use crate::claims::{forged, now, of_device, roles_claim, signed, signing_input, with};
use crate::scene::Scene;

on_both!(
    crate::scene::Scene;
    attack_algorithm_none,
    attack_hs256_with_the_public_key,
    attack_key_confusion,
    attack_expired_token,
    attack_token_that_is_not_yet_valid,
    attack_wrong_audience,
    attack_right_audience_without_the_role,
    attack_right_role_in_another_organisation,
    attack_opaque_token,
    attack_oversize_token,
    attack_replay_of_an_old_token,
    attack_replay_of_an_old_assertion,
    attack_device_ids_with_wildcards_dots_spaces_and_unicode,
    attack_claims_under_anothers_signature,
);

fn good(scene: &Scene) -> Value {
    of_device(scene.idp(), &scene.me)
}

/// The id of the provider's key.
fn key_id(scene: &Scene) -> String {
    let keys = scene.idp().public_keys();
    let id = keys["keys"][0]["kid"].as_str();
    id.expect("an id").to_owned()
}

async fn refused_with(scene: &Scene, claim: &str, value: Value, reason: &str) {
    let token = signed(scene.idp(), &with(good(scene), claim, value));
    scene.assert_refused(&[(&token, reason)]).await;
}

async fn attack_algorithm_none(scene: &Scene) {
    let tokens = ["none", "None", "NONE", ""].map(|algorithm| {
        let header = json!({"alg": algorithm, "typ": "JWT", "kid": key_id(scene)});
        let token = forged(&header, &good(scene), b"");
        (token, "AlgorithmRefused")
    });
    scene.assert_refused(&tokens).await;
}

/// The public key, in each form in which somebody might take it for a secret.
async fn attack_hs256_with_the_public_key(scene: &Scene) {
    let keys = scene.idp().public_keys();
    let jwk = &keys["keys"][0];
    let modulus = jwk["n"].as_str().expect("a modulus");
    let secrets = [
        jwk.to_string().into_bytes(),
        modulus.as_bytes().to_vec(),
        URL_SAFE_NO_PAD.decode(modulus).expect("a number"),
    ];
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": key_id(scene)});
    let tokens = secrets.map(|secret| {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let input = signing_input(&header, &good(scene));
        let tag = hmac::sign(&secret, input.as_bytes());
        let token = forged(&header, &good(scene), tag.as_ref());
        (token, "AlgorithmRefused")
    });
    scene.assert_refused(&tokens).await;
}

/// A key of the attacker's own: brought along in the header, under the provider's name, without a
/// name, and with a path for one.
async fn attack_key_confusion(scene: &Scene) {
    let idp = scene.idp();
    let stranger = idp.machine(&scene.me, &["device"]).expect("a machine");
    let key = jsonwebtoken::EncodingKey::from_rsa_pem(stranger.private_pem.as_bytes());
    let key = key.expect("a key");
    let mut own = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::RS256);
    let jwk = jsonwebtoken::jwk::Jwk::from_encoding_key(&key, jsonwebtoken::Algorithm::RS256);
    own.jwk = Some(jwk.expect("a public key"));
    own.jku = Some("https://evil.example/keys".to_owned());
    let tokens = [
        (Some(key_id(scene)), "SignatureInvalid"),
        (Some(stranger.key_id.clone()), "KeyUnknown"),
        (Some("../../../dev/null".to_owned()), "KeyUnknown"),
        (None, "KeyUnknown"),
    ]
    .map(|(id, reason)| {
        own.kid = id;
        let token = jsonwebtoken::encode(&own, &good(scene), &key).expect("signed");
        (token, reason)
    });
    scene.assert_refused(&tokens).await;
}

async fn attack_expired_token(scene: &Scene) {
    refused_with(scene, "exp", json!(now() - 60), "TokenExpired").await;
}

async fn attack_token_that_is_not_yet_valid(scene: &Scene) {
    refused_with(scene, "nbf", json!(now() + 300), "TokenNotYetValid").await;
}

async fn attack_wrong_audience(scene: &Scene) {
    refused_with(scene, "aud", json!(["another-project"]), "AudienceWrong").await;
}

async fn attack_right_audience_without_the_role(scene: &Scene) {
    let claim = roles_claim(scene.idp());
    refused_with(scene, &claim, Value::Null, "RoleMissing").await;
    let organisation = scene.idp().organisation();
    let viewer = json!({"fleet-viewer": {organisation: "fleet.example"}});
    refused_with(scene, &claim, viewer, "RoleMissing").await;
}

async fn attack_right_role_in_another_organisation(scene: &Scene) {
    let claim = roles_claim(scene.idp());
    let role = json!({"device": {"another-organisation": "other.example"}});
    refused_with(scene, &claim, role, "OrganisationWrong").await;
}

async fn attack_opaque_token(scene: &Scene) {
    let opaque = "b3BhcXVlIGFzIGJlYXJlciB0b2tlbnMgb2YgWml0YWRlbA";
    scene.assert_refused(&[(opaque, "TokenOpaque")]).await;
}

async fn attack_oversize_token(scene: &Scene) {
    let large = [("a".repeat(8 * 1024 + 1), "TokenOversize")];
    // More than a line of the protocol: the server itself hangs up.
    let line = "a".repeat(20_000);
    tokio::join!(
        scene.assert_refused(&large),
        scene.assert_never_asked(&line)
    );
}

/// A token that was good, and served, until it ended.
async fn attack_replay_of_an_old_token(scene: &Scene) {
    let device = format!("r-{}", scene.me);
    // Long enough for a second attempt.
    let ends = now() + 8;
    let claims = with(of_device(scene.idp(), &device), "exp", json!(ends));
    let token = signed(scene.idp(), &claims);
    scene.assert_let_in(&device, &token).await;
    // Clocks may differ by a few seconds.
    assert!(wait::until(SOON, || async { now() > ends + 5 }).await);
    scene.assert_refused(&[(&token, "TokenExpired")]).await;
}

/// What a device shows the provider, shown once more, and shown to the bus.
async fn attack_replay_of_an_old_assertion(scene: &Scene) {
    let idp = scene.idp();
    let device = format!("r-{}", scene.me);
    let key = machine(idp, &device);
    let ends = now() + 5;
    let assertion = assertion(idp, &key, ends);
    let token = exchange(idp, &assertion).await.expect("while it is good");
    scene.assert_let_in(&device, &token).await;
    let ended = || async { now() > ends };
    let attempts = [(&assertion, "KeyUnknown")];
    tokio::join!(
        async { assert!(wait::until(SOON, ended).await) },
        scene.assert_refused(&attempts)
    );
    let error = exchange(idp, &assertion).await.expect_err("refused");
    assert_eq!(error, "invalid_grant");
}

async fn attack_device_ids_with_wildcards_dots_spaces_and_unicode(scene: &Scene) {
    let tokens = [
        "*",
        ">",
        "dev.1",
        "dev 1",
        " ",
        "d\u{e9}v",
        "dev\u{2010}1",
        "DEV",
        "a\r\nPUB",
    ]
    .map(|id| {
        let metadata = json!({"device-id": URL_SAFE_NO_PAD.encode(id)});
        let claims = with(good(scene), "urn:zitadel:iam:user:metadata", metadata);
        (signed(scene.idp(), &claims), "DeviceIdInvalid")
    });
    scene.assert_refused(&tokens).await;
}

/// The victim's claims under the signature of the attacker's own token.
async fn attack_claims_under_anothers_signature(scene: &Scene) {
    let own = signed(scene.idp(), &good(scene));
    let (_, signature) = own.rsplit_once('.').expect("three parts");
    let signature = URL_SAFE_NO_PAD.decode(signature).expect("a signature");
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": key_id(scene)});
    let claims = of_device(scene.idp(), &scene.victim);
    let token = forged(&header, &claims, &signature);
    scene.assert_refused(&[(&token, "SignatureInvalid")]).await;
}
