//! Which assertions are taken.

use std::time::Duration;

use fleet_testbed::{AssertionErrors, Idp, MachineKey};
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::bed;
use super::client::{Answer, Client, JWT_PROFILE, claims, now, sign_as, signed};

/// A device's assertion with some claims changed; null takes one away.
fn changed(idp: &Idp, key: &MachineKey, changes: &Value) -> String {
    let mut claims = claims(idp, key);
    for (name, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    signed(key, &claims)
}

fn refused(answer: &Answer, description: &str) {
    let error = (400, "invalid_grant".to_owned());
    assert_eq!(answer.error(), error, "{answer:?}");
    assert!(
        answer.text("error_description").contains(description),
        "{answer:?}"
    );
}

#[tokio::test]
async fn the_audience_must_be_or_contain_the_issuer() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    for audience in [
        json!(idp.issuer()),
        json!(["https://other.test", idp.issuer()]),
    ] {
        let assertion = changed(idp, &key, &json!({"aud": audience}));
        assert_eq!(client.exchange(&assertion, "openid").await.status, 200);
    }
    let slash = format!("{}/", idp.issuer());
    let endpoint = format!("{}/oauth/v2/token", idp.issuer());
    for audience in [
        json!("https://other.test"),
        json!(slash),
        json!(endpoint),
        json!([]),
        json!(null),
    ] {
        let assertion = changed(idp, &key, &json!({"aud": audience}));
        refused(&client.exchange(&assertion, "openid").await, "audience");
    }
}

#[tokio::test]
async fn an_assertion_is_taken_in_its_time_only() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    // The skew is taken off the end, and the hour counts from the beginning, whatever `exp` says.
    let wrong = [
        (json!({"exp": now() - 60}), "expired"),
        (json!({"exp": now() + 1}), "expired"),
        (json!({"exp": null}), "expired"),
        (json!({"iat": now() + 30}), "future"),
        (json!({"iat": now() - 3630}), "to old"),
        (json!({"iat": now() - 3630, "exp": now() + 7200}), "to old"),
        (json!({"iat": null}), "missing"),
    ];
    for (changes, why) in wrong {
        let assertion = changed(idp, &key, &changes);
        refused(&client.exchange(&assertion, "openid").await, why);
    }
    for changes in [json!({"iat": now() - 3500}), json!({"exp": now() + 86_400})] {
        let assertion = changed(idp, &key, &changes);
        assert_eq!(
            client.exchange(&assertion, "openid").await.status,
            200,
            "{changes}"
        );
    }
}

#[tokio::test]
async fn a_clock_that_is_ahead_is_refused_and_the_answers_date_tells_by_how_much() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    idp.set_clock_offset(SignedDuration::from_hours(-24));
    let answer = client
        .exchange(&signed(&key, &claims(idp, &key)), "openid")
        .await;
    refused(&answer, "future");
    let date = answer.headers["date"].to_str().unwrap();
    let date = jiff::fmt::rfc2822::parse(date)
        .unwrap()
        .timestamp()
        .as_second();
    assert!((now() - 86_400 - date).abs() <= 5, "{date}");
    let assertion = changed(idp, &key, &json!({"iat": date, "exp": date + 60}));
    assert_eq!(client.exchange(&assertion, "openid").await.status, 200);
}

#[tokio::test]
async fn nobody_speaks_for_another() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    let thief = idp.machine("thief", &["device"]).unwrap();
    let victim = idp.machine("victim", &["device"]).unwrap();
    let assertion = changed(idp, &thief, &json!({"sub": victim.user}));
    refused(&client.exchange(&assertion, "openid").await, "delegation");
    // The id of the thief's own key is unknown where the victim's keys are looked up.
    let assertion = changed(
        idp,
        &thief,
        &json!({"iss": victim.user, "sub": victim.user}),
    );
    refused(
        &client.exchange(&assertion, "openid").await,
        "AuthNKey.NotFound",
    );
    // And the victim's key does not fit the thief's signature.
    let disguised = MachineKey {
        key_id: victim.key_id.clone(),
        user: victim.user.clone(),
        ..thief
    };
    let assertion = signed(&disguised, &claims(idp, &disguised));
    refused(
        &client.exchange(&assertion, "openid").await,
        "invalid signature",
    );
}

#[tokio::test]
async fn only_rs256_with_a_known_key_is_a_signature() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let claims = claims(idp, &key);
    let header = |algorithm, kid: Option<&str>| {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        header
    };
    let kid = Some(key.key_id.as_str());
    let stronger = sign_as(&key, &header(Algorithm::PS256, kid), &claims);
    refused(&client.exchange(&stronger, "openid").await, "algorithm");
    let anonymous = sign_as(&key, &header(Algorithm::RS256, None), &claims);
    refused(
        &client.exchange(&anonymous, "openid").await,
        "AuthNKey.NotFound",
    );
    let unknown = sign_as(&key, &header(Algorithm::RS256, Some("1")), &claims);
    refused(
        &client.exchange(&unknown, "openid").await,
        "AuthNKey.NotFound",
    );
    // The oldest attack: the public key, which everybody may know, as a shared secret.
    let secret = EncodingKey::from_secret(key.private_pem.as_bytes());
    let shared = jsonwebtoken::encode(&header(Algorithm::HS256, kid), &claims, &secret).unwrap();
    refused(&client.exchange(&shared, "openid").await, "algorithm");
    let good = signed(&key, &claims);
    let parts: Vec<&str> = good.split('.').collect();
    let none = format!("eyJhbGciOiJub25lIn0.{}.", parts[1]);
    refused(&client.exchange(&none, "openid").await, "algorithm");
    let other = changed(idp, &key, &json!({"exp": now() + 50}));
    let payload = other.split('.').nth(1).unwrap();
    let forged = format!("{}.{payload}.{}", parts[0], parts[2]);
    refused(
        &client.exchange(&forged, "openid").await,
        "invalid signature",
    );
}

#[tokio::test]
async fn what_is_no_token_is_no_request() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let client = Client::of(idp);
    for garbage in ["a", "a.b", "a.b.c", "....", "e30.e30"] {
        let answer = client.exchange(garbage, "openid").await;
        assert_eq!(
            answer.error(),
            (400, "invalid_request".to_owned()),
            "{garbage}"
        );
    }
    let bare = client.token(&[("grant_type", JWT_PROFILE)]).await;
    assert_eq!(bare.error(), (400, "invalid_request".to_owned()));
    let other = client.token(&[("grant_type", "password")]).await;
    assert_eq!(other.error(), (400, "unsupported_grant_type".to_owned()));
}

#[tokio::test]
async fn an_assertion_is_good_again_until_it_ends() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let assertion = changed(idp, &key, &json!({"jti": "once"}));
    let first = client.exchange(&assertion, "openid").await;
    let second = client.exchange(&assertion, "openid").await;
    assert_eq!(second.status, 200);
    assert_ne!(first.text("access_token"), second.text("access_token"));
    idp.set_clock_offset(SignedDuration::from_secs(61));
    refused(&client.exchange(&assertion, "openid").await, "expired");
}

#[tokio::test]
async fn a_key_ends_when_it_says_and_when_it_is_removed() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    // The same key pair once more, but for an hour.
    let public = public_pem(&key);
    let hour = Duration::from_secs(3600);
    let short = MachineKey {
        key_id: idp.add_key_for(&key.user, &public, hour).unwrap(),
        ..key.clone()
    };
    assert_eq!(
        client
            .exchange(&signed(&short, &claims(idp, &short)), "openid")
            .await
            .status,
        200
    );
    idp.set_clock_offset(SignedDuration::from_secs(3601));
    let later = json!({"iat": now() + 3601, "exp": now() + 3661});
    refused(
        &client
            .exchange(&changed(idp, &short, &later), "openid")
            .await,
        "AuthNKey.NotFound",
    );
    assert_eq!(
        client
            .exchange(&changed(idp, &key, &later), "openid")
            .await
            .status,
        200
    );
    idp.call(
        "RemoveKey",
        json!({"userId": key.user, "keyId": key.key_id}),
    )
    .unwrap();
    refused(
        &client.exchange(&changed(idp, &key, &later), "openid").await,
        "AuthNKey.NotFound",
    );
}

#[tokio::test]
async fn inactive_locked_and_deleted_users_get_no_token() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    let user = json!({"userId": key.user});
    for (away, back) in [
        ("DeactivateUser", "ReactivateUser"),
        ("LockUser", "UnlockUser"),
    ] {
        idp.call(away, user.clone()).unwrap();
        let answer = client
            .exchange(&signed(&key, &claims(idp, &key)), "openid")
            .await;
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()));
        assert_eq!(answer.text("error_description"), "Errors.User.NotActive");
        idp.call(back, user.clone()).unwrap();
        let answer = client
            .exchange(&signed(&key, &claims(idp, &key)), "openid")
            .await;
        assert_eq!(answer.status, 200);
    }
    idp.call("DeleteUser", user).unwrap();
    let answer = client
        .exchange(&signed(&key, &claims(idp, &key)), "openid")
        .await;
    refused(&answer, "AuthNKey.NotFound");
}

#[tokio::test]
async fn errors_may_be_hidden_as_zitadel_hides_them() {
    let bed = bed().await;
    let idp = bed.idp().unwrap();
    let (client, key) = (Client::of(idp), idp.machine("dev-1", &["device"]).unwrap());
    idp.set_assertion_errors(AssertionErrors::ServerError);
    for assertion in [
        "a".to_owned(),
        changed(idp, &key, &json!({"iat": now() + 30})),
    ] {
        let answer = client.exchange(&assertion, "openid").await;
        assert_eq!(answer.error(), (500, "server_error".to_owned()));
        assert_eq!(answer.text("error_description"), "Errors.Internal");
    }
}

/// The public half, as a device would send it.
fn public_pem(key: &MachineKey) -> String {
    use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
    use aws_lc_rs::signature::{KeyPair, RsaKeyPair};
    use base64::Engine as _;
    use rustls::pki_types::PrivateKeyDer;
    use rustls::pki_types::pem::PemObject;
    let private = PrivateKeyDer::from_pem_slice(key.private_pem.as_bytes()).unwrap();
    let pair = RsaKeyPair::from_pkcs8(private.secret_der()).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let body = base64::engine::general_purpose::STANDARD.encode(public.as_ref());
    format!("-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n")
}
