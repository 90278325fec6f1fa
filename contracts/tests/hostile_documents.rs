//! Payloads, manifests and enrolment bodies that were valid once: what is read of them is sound, and
//! what is not has a reason.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

mod mutation;

use std::fmt::Debug;

use fleet_contracts::enrolment::proof::{Call, signing_input};
use fleet_contracts::enrolment::{
    DevicePublicKey, Enrolment, EnrolmentRefusal, EnrolmentRequest, EnrolmentToken, KeyChange,
    NextKey, Problem, Proof,
};
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::{
    DesiredEntry, DeviceInfo, DeviceState, Heartbeat, PayloadError, decode, encode,
};
use fleet_contracts::{DeviceId, Manifest, ReconcileScore, Revision, jws};
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const NOW: u64 = 1_800_000_000;
const SERVICE: &str = "https://enrol.example.com";

fn example(text: &str) -> Value {
    serde_json::from_str(text).expect("an example")
}

/// Reads it; what can be read can be written and read again.
fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(
    bucket: Bucket,
    bytes: &[u8],
) -> Result<Option<T>, TestCaseError> {
    match decode::<T>(bucket, bytes) {
        Ok(value) => {
            let again = decode::<T>(bucket, &encode(&value));
            if let Ok(again) = &again {
                prop_assert_eq!(again, &value);
            } else {
                // Only because it is written with more bytes than it was read from.
                let oversize = matches!(again, Err(PayloadError::Oversize { .. }));
                prop_assert!(oversize, "{again:?}");
            }
            Ok(Some(value))
        }
        Err(error) => {
            prop_assert!(["Oversize", "Malformed"].contains(&error.reason()));
            Ok(None)
        }
    }
}

fn payloads() -> [(Bucket, Value); 5] {
    let score = example(include_str!("data/v1-score.json"));
    let entry = json!({"schemaVersion": 1, "revision": Revision::of(&score), "score": score});
    [
        (
            Bucket::DeviceInfo,
            example(include_str!("data/v1-device-info.json")),
        ),
        (
            Bucket::DeviceState,
            example(include_str!("data/v1-device-state.json")),
        ),
        (
            Bucket::DeviceHeartbeat,
            example(include_str!("data/v1-heartbeat.json")),
        ),
        (
            Bucket::DesiredState,
            example(include_str!("data/v1-manifest.json")),
        ),
        (Bucket::DesiredState, entry),
    ]
}

fn payload() -> impl Strategy<Value = (Bucket, Value)> {
    prop::sample::select(payloads().to_vec())
        .prop_flat_map(|(bucket, valid)| (Just(bucket), mutation::tree(valid)))
}

fn request() -> Value {
    example(include_str!("data/v1-enrolment-request.json"))
}

fn public_key() -> DevicePublicKey {
    let pem = include_str!("data/v1-device-key.pem");
    pem.parse().expect("a key")
}

/// A proof as a device makes it; who verifies the signature comes later.
fn proof(body: &[u8]) -> String {
    let call = call(body);
    let signed = signing_input(SERVICE, &public_key().enrolment_id(), &call, NOW);
    jws::compact(&signed, &[7; 256])
}

fn call(body: &[u8]) -> Call<'_> {
    Call {
        method: "POST",
        path: "/v1/enrolments",
        body,
    }
}

#[test]
fn what_is_changed_below_is_good_before() {
    let [info, state, heartbeat, manifest, entry] = payloads().map(|(_, value)| value);
    serde_json::from_value::<DeviceInfo>(info).expect("information");
    serde_json::from_value::<DeviceState>(state).expect("a state");
    serde_json::from_value::<Heartbeat>(heartbeat).expect("a heartbeat");
    serde_json::from_value::<Manifest>(manifest).expect("a manifest");
    serde_json::from_value::<DesiredEntry>(entry).expect("an entry");
    serde_json::from_value::<EnrolmentRequest>(request()).expect("a request");
    let text = proof(b"{}");
    let proof = Proof::parse(&text).expect("a proof");
    let id = public_key().enrolment_id();
    assert_eq!(proof.covers(&[SERVICE], &id, &call(b"{}"), NOW), Ok(()));
}

proptest! {
    #[test]
    fn payloads_are_read_soundly_or_refused_for_a_reason((bucket, document) in payload()) {
        let bytes = document.to_string().into_bytes();
        match bucket {
            Bucket::DeviceInfo => drop(read::<DeviceInfo>(bucket, &bytes)?),
            Bucket::DeviceState => drop(read::<DeviceState>(bucket, &bytes)?),
            Bucket::DeviceHeartbeat => drop(read::<Heartbeat>(bucket, &bytes)?),
            Bucket::DesiredState => {
                drop(read::<Manifest>(bucket, &bytes)?);
                if let Some(entry) = read::<DesiredEntry>(bucket, &bytes)? {
                    // What the agent does with it next.
                    let _ = Revision::of(&entry.score);
                    if let Ok(score) = serde_json::from_value::<ReconcileScore>(entry.score) {
                        let _ = score.validate();
                    }
                }
            }
        }
    }

    #[test]
    fn a_manifest_names_only_devices_and_deployments_that_are_some(
        document in mutation::tree(example(include_str!("data/v1-manifest.json"))),
    ) {
        if let Some(manifest) = read::<Manifest>(Bucket::DesiredState, document.to_string().as_bytes())? {
            let sound = |text: &str| !text.contains(['*', '>', ' ', '/', '\r', '\n', '\0']);
            prop_assert!(sound(manifest.device.as_str()) && !manifest.device.as_str().contains('.'));
            for deployment in manifest.deployments.keys().chain(&manifest.order) {
                prop_assert!(sound(&deployment.to_string().replacen('/', "", 1)), "{deployment}");
            }
        }
    }

    #[test]
    fn enrolment_requests_are_read_soundly_and_never_show_their_token(
        document in mutation::tree(request()),
    ) {
        if let Ok(request) = serde_json::from_value::<EnrolmentRequest>(document) {
            let shown = format!("{request:?}");
            prop_assert!(!shown.contains(request.token.expose()));
            // Both ends name the enrolment alike, also after another reading.
            let again = serde_json::to_value(&request).expect("written");
            let again: EnrolmentRequest = serde_json::from_value(again).expect("read again");
            prop_assert_eq!(again.public_key.enrolment_id(), request.public_key.enrolment_id());
            if let Some(device) = &request.device_id {
                prop_assert!(device.as_str().parse::<DeviceId>().is_ok());
            }
        }
    }

    #[test]
    fn bodies_of_the_enrolment_service_with_changed_bytes_are_read_or_refused(
        body in mutation::bytes(request().to_string().into_bytes()),
    ) {
        let _ = serde_json::from_slice::<EnrolmentRequest>(&body);
        let _ = serde_json::from_slice::<KeyChange>(&body);
        let _ = serde_json::from_slice::<NextKey>(&body);
        let _ = serde_json::from_slice::<Enrolment>(&body);
        let _ = serde_json::from_slice::<Problem>(&body);
    }

    #[test]
    fn keys_that_were_changed_are_other_keys_or_none(
        pem in mutation::text(include_str!("data/v1-device-key.pem")),
    ) {
        if let Ok(key) = pem.parse::<DevicePublicKey>() {
            let again = DevicePublicKey::from_der(key.as_der());
            prop_assert_eq!(again.as_ref(), Ok(&key));
            // Around the key there may be other bytes; in it there may not.
            let same = key.enrolment_id() == public_key().enrolment_id();
            prop_assert_eq!(same, key == public_key());
        }
    }

    #[test]
    fn tokens_that_were_changed_are_other_tokens_or_none(
        text in mutation::text(EnrolmentToken::from_random(&[7; 32]).expose()),
    ) {
        let original = EnrolmentToken::from_random(&[7; 32]);
        if let Ok(token) = text.parse::<EnrolmentToken>() {
            let same = token.hash() == original.hash();
            prop_assert_eq!(same, token.expose() == original.expose());
        }
    }

    #[test]
    fn a_proof_that_was_changed_covers_the_call_or_is_refused(
        text in mutation::text(&proof(b"{}")),
        body in mutation::bytes(b"{}".to_vec()),
        late in any::<u64>(),
    ) {
        let id = public_key().enrolment_id();
        let refusals = [EnrolmentRefusal::BadProof, EnrolmentRefusal::ClockSkew];
        match Proof::parse(&text) {
            Err(refusal) => prop_assert_eq!(refusal, EnrolmentRefusal::BadProof),
            Ok(proof) => for now in [NOW, late] {
                if let Err(refusal) = proof.covers(&[SERVICE], &id, &call(b"{}"), now) {
                    prop_assert!(refusals.contains(&refusal), "{refusal:?}");
                }
                // The body is part of what is proven.
                if body != b"{}" {
                    let other = proof.covers(&[SERVICE], &id, &call(&body), now);
                    prop_assert!(other.is_err());
                }
            },
        }
    }
}
