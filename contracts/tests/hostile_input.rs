//! Whatever lies on the bus: reading it answers, and never panics.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use fleet_contracts::kv::{Bucket, DesiredKey, EntryKey};
use fleet_contracts::payload::{DesiredEntry, DeviceInfo, DeviceState, Heartbeat, decode, encode};
use fleet_contracts::signing::{TrustedKey, verify};
use fleet_contracts::{DeploymentRef, DeviceId, Manifest, ReconcileScore, Revision};
use proptest::prelude::*;

fn decode_as_everything(bytes: &[u8]) {
    let _ = decode::<DeviceInfo>(Bucket::DeviceInfo, bytes);
    let _ = decode::<DeviceState>(Bucket::DeviceState, bytes);
    let _ = decode::<Heartbeat>(Bucket::DeviceHeartbeat, bytes);
    let _ = decode::<Manifest>(Bucket::DesiredState, bytes);
    if let Ok(entry) = decode::<DesiredEntry>(Bucket::DesiredState, bytes) {
        let _ = Revision::of(&entry.score);
    }
    if let Ok(score) = serde_json::from_slice::<ReconcileScore>(bytes) {
        let _ = score.validate();
    }
}

/// A valid payload with one byte changed: gets further into the parsers than random bytes do.
fn nearly_valid() -> impl Strategy<Value = Vec<u8>> {
    let examples = [
        include_str!("data/v1-score.json"),
        include_str!("data/v1-device-info.json"),
        include_str!("data/v1-device-state.json"),
        include_str!("data/v1-heartbeat.json"),
        include_str!("data/v1-manifest.json"),
    ];
    (0..examples.len(), any::<prop::sample::Index>(), any::<u8>()).prop_map(
        move |(example, at, byte)| {
            let mut bytes = examples[example].as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        },
    )
}

proptest! {
    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn payloads_with_a_changed_byte(bytes in nearly_valid()) {
        decode_as_everything(&bytes);
    }

    #[test]
    fn deep_nesting(depth in 0_usize..20_000) {
        decode_as_everything("[".repeat(depth).as_bytes());
        decode_as_everything("{\"a\":".repeat(depth).as_bytes());
    }

    #[test]
    fn any_text_as_a_key_is_refused_or_kept(text in ".{0,200}") {
        if let Ok(key) = text.parse::<DesiredKey>() {
            prop_assert_eq!(key.to_string(), text.clone());
        }
        if let Ok(key) = text.parse::<EntryKey>() {
            prop_assert_eq!(key.to_string(), text.clone());
        }
        if let Ok(reference) = text.parse::<DeploymentRef>() {
            prop_assert_eq!(reference.to_string(), text.clone());
        }
        if let Ok(device) = text.parse::<DeviceId>() {
            prop_assert!(!device.as_str().contains(['.', '*', '>', ' ']));
        }
    }

    #[test]
    fn any_signature_is_refused(key in ".{0,40}", signature in ".{0,120}", body in any::<Vec<u8>>()) {
        let trusted: TrustedKey = "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik=".parse().expect("a key");
        prop_assert!(verify([&trusted], &key, &signature, &body).is_err());
        prop_assert!(verify([&trusted], &trusted.id().to_string(), &signature, &body).is_err());
    }

    #[test]
    fn what_was_encoded_decodes(labels in proptest::collection::btree_map(".{0,20}", ".{0,20}", 0..8)) {
        let mut info: DeviceInfo = serde_json::from_str(include_str!("data/v1-device-info.json")).expect("valid");
        info.labels = labels;
        let again: DeviceInfo = decode(Bucket::DeviceInfo, &encode(&info)).expect("valid");
        prop_assert_eq!(again, info);
    }
}
