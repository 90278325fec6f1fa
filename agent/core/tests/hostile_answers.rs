//! What others say to a device was valid once: what it takes is sound, and what not has a reason.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

// The same changes as everywhere; they belong to the documents of the contracts.
#[path = "../../../contracts/tests/mutation/mod.rs"]
mod mutation;

use fleet_agent_core::accept::{Accepted, Candidate, Previous, accept};
use fleet_agent_core::identity::enrolment::{Heard, hear};
use fleet_agent_core::identity::{FailureReason, answer};
use fleet_agent_core::sync::{Asking, Begun, Doorbell, Got, Snapshot};
use fleet_contracts::brought;
use fleet_contracts::enrolment::{DevicePublicKey, EnrolmentId};
use fleet_contracts::kv::{Bucket, DesiredKey};
use fleet_contracts::payload::{DesiredEntry, encode};
use fleet_contracts::signing::ManifestSigner;
use fleet_contracts::{DeviceId, Generation, Manifest, RefusalReason, Revision};
use proptest::prelude::*;
use serde_json::{Value, json};

const MANIFEST: &str = include_str!("../../../contracts/tests/data/v1-manifest.json");
const APPROVED: &str = include_str!("../../../contracts/tests/data/v1-enrolment-approved.json");
const PROBLEM: &str = include_str!("../../../contracts/tests/data/v1-enrolment-problem.json");
const KEY: &str = include_str!("../../../contracts/tests/data/v1-device-key.pem");
const ISSUER: &str = "https://id.example.com";

fn example(text: &str) -> Value {
    serde_json::from_str(text).expect("an example")
}

fn enrolment_id() -> EnrolmentId {
    KEY.parse::<DevicePublicKey>()
        .expect("a key")
        .enrolment_id()
}

fn manifest_device() -> DeviceId {
    let device = example(MANIFEST)["device"].as_str().map(str::to_owned);
    device.expect("a device").parse().expect("an id")
}

/// Provider's answers with any status, mostly those that matter.
fn status() -> impl Strategy<Value = u16> {
    prop_oneof![
        4 => Just(200_u16),
        3 => prop::sample::select(vec![202, 301, 400, 401, 403, 404, 409, 429, 500, 503]),
        1 => any::<u16>(),
    ]
}

#[test]
fn what_is_changed_below_is_good_before() {
    let heard = hear(&enrolment_id(), 200, None, APPROVED.as_bytes());
    assert!(matches!(heard, Heard::Approved(_)), "{heard:?}");
    let signer = ManifestSigner::from_seed(&[1; 32]);
    let (key_id, signature) = (
        signer.key_id().to_string(),
        signer.sign(MANIFEST.as_bytes()),
    );
    let candidate = Candidate {
        body: MANIFEST.as_bytes(),
        key_id: &key_id,
        signature: &signature,
    };
    let outcome = accept(&manifest_device(), &[signer.trusted()], None, candidate);
    assert!(matches!(outcome, Ok(Accepted::Newer(_))), "{outcome:?}");
}

/// A doorbell with a manifest that names one deployment, and brings its body.
fn rung() -> Got {
    let score = json!({ "services": [{ "name": "web", "image": "web:v1" }] });
    let reference = "shop.web".parse().expect("a reference");
    let entry = encode(&DesiredEntry {
        schema_version: 1,
        revision: Revision::of(&score),
        score: score.clone(),
    });
    let brings = vec![brought::value(&reference, &entry).expect("a header")];
    let mut manifest: Manifest = serde_json::from_str(MANIFEST).expect("an example");
    manifest.deployments = [(reference, Revision::of(&score))].into();
    let (signer, body) = (ManifestSigner::from_seed(&[1; 32]), encode(&manifest));
    Got {
        stored_under: Bucket::DesiredState.subject(&DesiredKey::Manifest(manifest_device())),
        sequence: 1,
        key_id: signer.key_id().to_string(),
        signature: signer.sign(&body),
        body: body.into(),
        brings,
    }
}

#[test]
fn the_body_that_is_changed_below_is_taken_before() {
    let begun = Asking::begin(Snapshot {
        device: manifest_device(),
        trusted: vec![ManifestSigner::from_seed(&[1; 32]).trusted()],
        content: None,
        doorbell: Doorbell::new(rung()),
    });
    let Begun::Taken(gathering) = begun else {
        panic!("a question: {begun:?}");
    };
    assert_eq!(gathering.lacking(), vec![]);
}

proptest! {
    /// Signed by the right key: a broken operator, or one that was broken into.
    #[test]
    fn a_signed_manifest_is_followed_only_if_it_is_for_this_device_and_newer(
        document in mutation::tree(example(MANIFEST)),
        followed in prop_oneof![Just(0), Just(u64::MAX), any::<u64>()],
    ) {
        let (device, signer) = (manifest_device(), ManifestSigner::from_seed(&[1; 32]));
        let body = document.to_string().into_bytes();
        let (key_id, signature) = (signer.key_id().to_string(), signer.sign(&body));
        let candidate = Candidate { body: &body, key_id: &key_id, signature: &signature };
        let previous = Previous { generation: Generation(followed), body: b"another" };
        match accept(&device, &[signer.trusted()], Some(previous), candidate) {
            Ok(Accepted::Newer(manifest)) => {
                prop_assert_eq!(&manifest.device, &device);
                prop_assert!(manifest.generation > Generation(followed));
            }
            Ok(Accepted::Unchanged) => prop_assert!(false, "it is not the one that is followed"),
            Err(refused) => {
                let reasons = [
                    RefusalReason::Malformed,
                    RefusalReason::WrongDevice,
                    RefusalReason::StaleGeneration,
                    RefusalReason::ConflictingGeneration,
                ];
                prop_assert!(reasons.contains(&refused.reason), "{refused:?}");
                prop_assert!(!refused.message.is_empty());
            }
        }
    }

    /// The bus may change what it carries; it cannot sign.
    #[test]
    fn a_manifest_that_the_bus_changed_is_refused_for_its_signature(
        body in mutation::bytes(MANIFEST.as_bytes().to_vec()),
        signature in mutation::text(&ManifestSigner::from_seed(&[1; 32]).sign(MANIFEST.as_bytes())),
    ) {
        let (device, signer) = (manifest_device(), ManifestSigner::from_seed(&[1; 32]));
        let (key_id, good) = (signer.key_id().to_string(), signer.sign(MANIFEST.as_bytes()));
        for (body, signature) in [(&body[..], &good), (MANIFEST.as_bytes(), &signature)] {
            let candidate = Candidate { body, key_id: &key_id, signature };
            let outcome = accept(&device, &[signer.trusted()], None, candidate);
            if body == MANIFEST.as_bytes() && *signature == good {
                prop_assert!(matches!(outcome, Ok(Accepted::Newer(_))));
            } else {
                let reason = outcome.map_err(|refused| refused.reason);
                prop_assert_eq!(reason.expect_err("refused"), RefusalReason::BadSignature);
            }
        }
    }

    /// Nothing signs what comes along with a manifest.
    #[test]
    fn of_bodies_that_come_along_only_those_that_the_manifest_names_are_taken(
        value in mutation::text(&rung().brings[0]),
    ) {
        let whole = rung();
        let named: Manifest = serde_json::from_slice(&whole.body).expect("a manifest");
        let got = Got { brings: vec![value.clone()], ..whole };
        let begun = Asking::begin(Snapshot {
            device: named.device.clone(),
            trusted: vec![ManifestSigner::from_seed(&[1; 32]).trusted()],
            content: None,
            doorbell: Doorbell::new(got),
        });
        let Begun::Taken(gathering) = begun else {
            panic!("the manifest itself is good");
        };
        let lacking = gathering.lacking().len();
        let fetched = gathering.finish();
        let bodies = fetched.content.expect("something new").bodies;
        prop_assert!(fetched.refused.is_none(), "it will be asked for");
        prop_assert_eq!(lacking + bodies.len(), named.deployments.len());
        for (reference, body) in bodies {
            prop_assert_eq!(Revision::of(&body.score), named.deployments[&reference]);
        }
    }

    #[test]
    fn an_answer_of_the_token_endpoint_is_a_token_or_a_reason(
        status in status(),
        document in mutation::tree(json!({
            "access_token": "a.b.c", "token_type": "Bearer", "expires_in": 300,
        })),
        refusal in mutation::tree(json!({
            "error": "invalid_client", "error_description": "unknown\r\nkey",
        })),
    ) {
        for body in [document, refusal] {
            let body = body.to_string();
            match answer::token(status, body.as_bytes()) {
                Ok(minted) => {
                    prop_assert_eq!(status, 200);
                    let token = minted.token.expose();
                    prop_assert_eq!(token.split('.').count(), 3);
                    prop_assert!(token.len() <= answer::MAX_TOKEN);
                    prop_assert!(minted.life <= 24 * 3_600_000);
                    let shown = format!("{minted:?}");
                    prop_assert!(!shown.contains(token));
                }
                Err(failed) => prop_assert!(!failed.message.is_empty() && failed.message.len() < 3000),
            }
        }
    }

    #[test]
    fn a_provider_sends_tokens_requests_to_no_open_line(
        status in status(),
        document in mutation::tree(json!({
            "issuer": ISSUER, "token_endpoint": "https://id.example.com/oauth/v2/token",
        })),
    ) {
        let body = document.to_string();
        match answer::token_endpoint(ISSUER, status, body.as_bytes()) {
            Ok(endpoint) => {
                prop_assert_eq!(document["issuer"].as_str(), Some(ISSUER));
                prop_assert!(endpoint.starts_with("https://"), "{endpoint}");
            }
            Err(failed) => {
                prop_assert!(failed.reason != FailureReason::Key && !failed.message.is_empty());
            }
        }
    }

    #[test]
    fn an_answer_of_the_enrolment_service_is_believed_only_about_this_key(
        status in status(),
        approved in mutation::tree(example(APPROVED)),
        problem in mutation::tree(example(PROBLEM)),
        retry_after in any::<Option<u64>>(),
    ) {
        let id = enrolment_id();
        for body in [&approved, &problem] {
            if let Heard::Approved(_) = hear(&id, status, retry_after, body.to_string().as_bytes()) {
                let ours = id.to_string();
                prop_assert_eq!(approved["enrolmentId"].as_str(), Some(ours.as_str()));
                prop_assert!([200, 202].contains(&status));
            }
        }
    }
}
