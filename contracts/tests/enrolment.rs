//! Enrolment bodies of every released version parse, and what is hostile is refused.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use fleet_contracts::enrolment::{
    DenialReason, DevicePublicKey, Enrolment, EnrolmentId, EnrolmentRefusal, EnrolmentRequest,
    EnrolmentState, EnrolmentToken, KeyChange, NextKey, NextKeyState, Problem, Proof, path,
};
use proptest::prelude::*;

const REQUEST: &str = include_str!("data/v1-enrolment-request.json");
const APPROVED: &str = include_str!("data/v1-enrolment-approved.json");

fn enrolment(text: &str) -> Enrolment {
    serde_json::from_str(text).expect("an enrolment")
}

#[test]
fn v1_requests_parse() {
    let request: EnrolmentRequest = serde_json::from_str(REQUEST).expect("a request");
    assert_eq!(request.token, EnrolmentToken::from_random(&[7; 32]));
    let key = include_str!("data/v1-device-key.pem").parse::<DevicePublicKey>();
    assert_eq!(key, Ok(request.public_key.clone()));
    let minimal = serde_json::json!({
        "schemaVersion": 1, "token": request.token, "publicKey": request.public_key,
    });
    assert!(serde_json::from_value::<EnrolmentRequest>(minimal).is_ok());
}

#[test]
fn v1_answers_parse_and_name_the_key_they_are_for() {
    let request: EnrolmentRequest = serde_json::from_str(REQUEST).expect("a request");
    let pending = enrolment(include_str!("data/v1-enrolment-pending.json"));
    assert_eq!(pending.enrolment_id, request.public_key.enrolment_id());
    let poll_after_seconds = 5;
    assert_eq!(
        pending.state,
        EnrolmentState::Pending {
            poll_after_seconds,
            waits_for: None
        }
    );
    let provisioning = enrolment(include_str!("data/v1-enrolment-provisioning.json"));
    assert_eq!(
        provisioning.state,
        EnrolmentState::Pending {
            poll_after_seconds: 1,
            waits_for: Some("PolicyStoreFailed".to_owned())
        }
    );
    let denied = enrolment(include_str!("data/v1-enrolment-denied.json"));
    let EnrolmentState::Denied { reason, message } = denied.state else {
        panic!("{denied:?}");
    };
    assert_eq!(
        (reason, message.as_str()),
        (DenialReason::Rejected, "not ours")
    );
    let EnrolmentState::Approved(approval) = enrolment(APPROVED).state else {
        panic!("not approved");
    };
    assert_eq!(approval.device_id.as_str(), "robot-7");
    let problem = include_str!("data/v1-enrolment-problem.json");
    let problem: Problem = serde_json::from_str(problem).expect("a problem");
    assert_eq!(
        (problem.reason, problem.reason.status()),
        (EnrolmentRefusal::TokenUsed, 403)
    );
}

#[test]
fn v1_changes_of_a_key_parse() {
    let change = include_str!("data/v1-enrolment-key-change.json");
    let change: KeyChange = serde_json::from_str(change).expect("a change");
    let key = include_str!("data/v1-device-key.pem").parse::<DevicePublicKey>();
    assert_eq!(key, Ok(change.public_key.clone()));
    let next = |text: &str| serde_json::from_str::<NextKey>(text).expect("a next key");
    let pending = next(include_str!("data/v1-enrolment-next-key-pending.json"));
    let poll_after_seconds = 1;
    assert_eq!(pending.state, NextKeyState::Pending { poll_after_seconds });
    let added = include_str!("data/v1-enrolment-next-key-added.json");
    let NextKeyState::Added { key_id, .. } = next(added).state else {
        panic!("{added}");
    };
    assert_eq!(key_id, "314159265358979324");
    let newer = next(&added.replace("\"Added\"", "\"Certified\""));
    assert_eq!(newer.state, NextKeyState::Unknown);
}

#[test]
fn states_and_reasons_of_a_newer_version_are_tolerated() {
    let newer = enrolment(&APPROVED.replace("\"Approved\"", "\"Probation\""));
    assert_eq!(newer.state, EnrolmentState::Unknown);
    let newer: Problem = serde_json::from_str(r#"{"reason":"FullMoon"}"#).expect("tolerated");
    assert_eq!(newer.reason, EnrolmentRefusal::Unknown);
}

#[test]
fn an_approval_survives_the_round_trip() {
    let approved = enrolment(APPROVED);
    let text = serde_json::to_string(&approved).expect("json");
    assert_eq!(enrolment(&text), approved);
    assert!(path(&approved.enrolment_id).ends_with(approved.enrolment_id.as_str()));
}

proptest! {
    #[test]
    fn changed_bytes_are_refused_or_harmless(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        for text in [REQUEST, APPROVED] {
            let mut bytes = text.as_bytes().to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            let _ = serde_json::from_slice::<Enrolment>(&bytes);
            if let Ok(request) = serde_json::from_slice::<EnrolmentRequest>(&bytes) {
                let again = request.public_key.to_string().parse();
                prop_assert_eq!(again, Ok(request.public_key));
            }
        }
    }

    #[test]
    fn any_text_as_id_token_key_or_proof_answers(text in ".{0,300}") {
        if let Ok(id) = text.parse::<EnrolmentId>() {
            prop_assert!(!path(&id).contains(".."));
        }
        let _ = text.parse::<EnrolmentToken>();
        let _ = text.parse::<DevicePublicKey>();
        prop_assert!(Proof::parse(&text).is_err());
    }
}
