//! Requests of servers, tokens and key sets that were valid once: each is taken for a reason, or
//! refused for one that may be logged.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

// The same changes as everywhere; they belong to the documents of the contracts.
#[path = "../../../contracts/tests/mutation/mod.rs"]
mod mutation;
mod support;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fleet_auth_core::callout::{Account, AuthRequest, Sealing, ServiceKeys, answer};
use fleet_auth_core::{AuthReason, KeySet, Refusal, identify};
use fleet_contracts::DeviceId;
use nkeys::{KeyPair, XKey};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{ISSUER, Issuer, NOW, claims, rules};

/// More than this of what somebody else wrote is in no log line.
const LONGEST_DETAIL: usize = 1000;

/// What a refusal says fits into one line of a log, and gives nothing away.
fn is_fit_for_a_log(refusal: &Refusal, token: &str) -> Result<(), TestCaseError> {
    let detail = &refusal.detail;
    prop_assert!(
        !detail.is_empty() && detail.len() < LONGEST_DETAIL,
        "{detail}"
    );
    prop_assert!(!detail.chars().any(char::is_control), "{detail:?}");
    prop_assert!(token.len() < 20 || !detail.contains(token), "{detail}");
    let about = &refusal.about;
    let said = [
        &about.key_id,
        &about.subject,
        &about.token_id,
        &about.device,
    ];
    for text in said.into_iter().flatten() {
        prop_assert!(text.chars().count() <= 100, "{text}");
    }
    Ok(())
}

/// A server and the service that it asks.
struct Wire {
    server: KeyPair,
    server_curve: XKey,
    issuer: KeyPair,
    curve: XKey,
}

impl Wire {
    fn new() -> Self {
        Self {
            server: KeyPair::new_server(),
            server_curve: XKey::new(),
            issuer: KeyPair::new_account(),
            curve: XKey::new(),
        }
    }

    fn keys(&self) -> ServiceKeys {
        let issuer = self.issuer.seed().expect("a seed");
        let curve = self.curve.seed().expect("a seed");
        ServiceKeys::from_seeds([&*issuer], [&*curve]).expect("keys")
    }

    /// What nats-server sends.
    fn claims(&self) -> Value {
        json!({
            "aud": "nats-authorization-request", "iss": self.server.public_key(),
            "sub": self.issuer.public_key(), "iat": NOW, "exp": NOW + 5, "jti": "X",
            "nats": {
                "type": "authorization_request", "version": 2,
                "user_nkey": KeyPair::new_user().public_key(),
                "server_id": {
                    "name": "n1", "id": self.server.public_key(),
                    "xkey": self.server_curve.public_key(),
                },
                "client_info": {"host": "10.0.0.7", "id": 12, "name": "dev-1"},
                "connect_opts": {"auth_token": "the token of a device"},
            },
        })
    }

    /// Signed as the server would.
    fn jwt(&self, header: &Value, claims: &Value) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(header), part(claims));
        let signature = self.server.sign(signed.as_bytes()).expect("signed");
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// Sealed as the server would, and opened.
    fn opened(&self, text: &[u8], keys: &ServiceKeys) -> Result<AuthRequest, Refusal> {
        let sealed = self.server_curve.seal(text, &self.curve).expect("sealed");
        let sender = self.server_curve.public_key();
        AuthRequest::open(&sealed, Some(&sender), keys, NOW)
    }

    /// Looks at what came of a request: it is answered or refused for a reason of requests.
    fn look(&self, text: &[u8]) -> Result<(), TestCaseError> {
        let keys = self.keys();
        match self.opened(text, &keys) {
            Ok(request) => {
                prop_assert_eq!(&request.server.id, &self.server.public_key());
                for text in [
                    &request.client.name,
                    &request.client.host,
                    &request.server.name,
                ] {
                    prop_assert!(text.chars().count() <= 100);
                }
                let refusal = Refusal::new(AuthReason::TokenMissing, "no token");
                let sealing = Sealing {
                    now: NOW,
                    nonce: [7; 24],
                };
                let account = Account("DEVICES".into());
                let sealed = answer(&request, Err(&refusal), &account, &keys, sealing);
                let sealed = sealed.expect("whoever could ask is answered");
                // Only the server that asked reads it.
                prop_assert!(self.server_curve.open(&sealed, &self.curve).is_ok());
                prop_assert!(XKey::new().open(&sealed, &self.curve).is_err());
            }
            Err(refusal) => {
                let reason = refusal.reason;
                prop_assert!(reason.as_str().starts_with("Request"), "{reason}");
                prop_assert!(
                    reason.is_garbage(),
                    "{reason}: nobody who sent this waits for us"
                );
                is_fit_for_a_log(&refusal, "the token of a device")?;
            }
        }
        Ok(())
    }
}

fn header() -> Value {
    json!({"typ": "JWT", "alg": "ed25519-nkey"})
}

/// A request with changed claims, signed and sealed as if they were right.
fn request() -> impl Strategy<Value = (usize, Value)> {
    // The wire's keys are drawn in the test; the places of its claims are the same for all.
    let shape = Wire::new().claims();
    (0_usize..2, mutation::tree(shape))
}

#[test]
fn what_is_changed_below_is_good_before() {
    let wire = Wire::new();
    let jwt = wire.jwt(&header(), &wire.claims());
    let request = wire
        .opened(jwt.as_bytes(), &wire.keys())
        .expect("a request");
    assert_eq!(request.token.expose(), "the token of a device");
    let issuer = Issuer::default();
    let token = issuer.token(&claims("dev-1"));
    let identity = identify(&token, &issuer.keys(), &rules(), NOW).expect("an identity");
    assert_eq!(identity.device.as_str(), "dev-1");
    let keys = json!({"keys": [jwk_rsa(), jwk_ec()]}).to_string();
    let keys = KeySet::parse(keys.as_bytes()).expect("keys");
    assert_eq!(keys.ids().collect::<Vec<_>>(), ["k2", "k3"]);
}

proptest! {
    #[test]
    fn requests_of_a_server_that_says_odd_things_are_answered_or_refused(
        (part, odd) in request(),
    ) {
        let wire = Wire::new();
        let good = wire.claims();
        let claims = match part {
            // As it was drawn: with the keys of another server.
            0 => odd,
            // With the keys of this one, so that what is odd about the rest is reached.
            _ => with_keys_of(odd, &good),
        };
        wire.look(wire.jwt(&header(), &claims).as_bytes())?;
    }

    #[test]
    fn requests_with_an_odd_header_or_changed_bytes_are_answered_or_refused(
        odd in mutation::tree(header()),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let wire = Wire::new();
        let claims = wire.claims();
        wire.look(wire.jwt(&odd, &claims).as_bytes())?;
        let mut text = wire.jwt(&header(), &claims).into_bytes();
        let at = at.index(text.len());
        let same = text[at] == byte;
        text[at] = byte;
        wire.look(&text)?;
        prop_assert!(same || wire.opened(&text, &wire.keys()).is_err());
    }

    #[test]
    fn claims_that_the_issuer_signed_are_taken_or_refused_for_a_reason(
        odd in mutation::tree(claims("dev-1")),
    ) {
        let issuer = Issuer::default();
        let token = issuer.token(&odd);
        match identify(&token, &issuer.keys(), &rules(), NOW) {
            Ok(identity) => {
                prop_assert_eq!(odd["iss"].as_str(), Some(ISSUER));
                let device = identity.device.as_str();
                prop_assert!(device.parse::<DeviceId>().is_ok());
                let said = odd["urn:zitadel:iam:user:metadata"]["device-id"].as_str();
                let encoded = URL_SAFE_NO_PAD.encode(device);
                prop_assert_eq!(said, Some(encoded.as_str()));
                prop_assert!(!identity.subject.is_empty() && identity.expires > NOW);
            }
            Err(refusal) => {
                let reason = refusal.reason.as_str();
                prop_assert!(!reason.starts_with("Request"), "{reason}");
                is_fit_for_a_log(&refusal, &token)?;
            }
        }
    }

    #[test]
    fn headers_that_are_odd_are_refused_for_a_reason(
        odd in mutation::tree(json!({"alg": "EdDSA", "typ": "JWT", "kid": "k1"})),
        text in mutation::text(&Issuer::default().token(&claims("dev-1"))),
    ) {
        let issuer = Issuer::default();
        let token = issuer.token_with(&odd, &claims("dev-1"));
        match identify(&token, &issuer.keys(), &rules(), NOW) {
            Ok(_) => {
                prop_assert_eq!(odd["alg"].as_str(), Some("EdDSA"));
                prop_assert_eq!(odd["kid"].as_str(), Some("k1"));
                prop_assert!(odd.get("crit").is_none());
            }
            Err(refusal) => is_fit_for_a_log(&refusal, &token)?,
        }
        // Of another issuer, and changed: nothing of it is right.
        let refusal = identify(&text, &issuer.keys(), &rules(), NOW).expect_err("refused");
        is_fit_for_a_log(&refusal, &text)?;
    }

    #[test]
    fn a_key_set_that_was_changed_verifies_what_its_keys_signed_and_nothing_else(
        document in mutation::tree(json!({"keys": [Issuer::default().jwk(), jwk_rsa(), jwk_ec()]})),
        bytes in mutation::bytes(json!({"keys": [jwk_rsa(), jwk_ec()]}).to_string().into_bytes()),
    ) {
        let token = Issuer::default().token(&claims("dev-1"));
        for document in [document.to_string().into_bytes(), bytes] {
            match KeySet::parse(&document) {
                Ok(keys) => {
                    prop_assert!(keys.ids().next().is_some(), "a set without keys is none");
                    prop_assert!(identify(&token, &keys, &rules(), NOW).is_err());
                }
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }
    }
}

/// The keys in `claims` become those of `good`, where there are any.
fn with_keys_of(mut claims: Value, good: &Value) -> Value {
    let keys = [
        "/iss",
        "/sub",
        "/nats/user_nkey",
        "/nats/server_id/id",
        "/nats/server_id/xkey",
    ];
    for place in keys {
        let both = (claims.pointer_mut(place), good.pointer(place));
        // What was made something else is what is odd about it.
        if let (Some(theirs), Some(ours)) = both
            && theirs.as_str().is_some_and(|text| text.len() == 56)
        {
            *theirs = ours.clone();
        }
    }
    claims
}

fn jwk_rsa() -> Value {
    let modulus = URL_SAFE_NO_PAD.encode([0xC7; 256]);
    json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": "k2", "n": modulus, "e": "AQAB"})
}

/// The example of RFC 7517, appendix A.1.
fn jwk_ec() -> Value {
    json!({
        "kty": "EC", "crv": "P-256", "kid": "k3",
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    })
}
