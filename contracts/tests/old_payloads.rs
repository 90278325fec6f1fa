//! Payloads of every released version parse, and their scores keep their revision.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use fleet_contracts::payload::{DeviceInfo, DeviceState, Heartbeat, Phase};
use fleet_contracts::signing::TrustedKey;
use fleet_contracts::{DeviceReason, Manifest, ReconcileScore, Revision};

#[test]
fn v1_score_keeps_its_revision_through_the_typed_form() {
    let raw: serde_json::Value =
        serde_json::from_str(include_str!("data/v1-score.json")).expect("json");
    let typed: ReconcileScore = serde_json::from_value(raw.clone()).expect("a score");
    assert_eq!(typed.validate(), Ok(()));
    assert_eq!(typed.revision(), Revision::of(&raw));
    assert_eq!(
        typed.revision().to_string(),
        "78e2a80eff0603f83a0c38fff80129ae2deb58d227d46e4e39c42c6d70f8c593"
    );
}

#[test]
fn v1_payloads_parse() {
    let info: DeviceInfo =
        serde_json::from_str(include_str!("data/v1-device-info.json")).expect("info");
    assert_eq!(info.inventory.cpu_cores, Some(4));
    let state: DeviceState =
        serde_json::from_str(include_str!("data/v1-device-state.json")).expect("state");
    assert_eq!(
        (state.phase, state.reason),
        (Phase::Failed, Some(DeviceReason::ImageNotFound))
    );
    let heartbeat: Heartbeat =
        serde_json::from_str(include_str!("data/v1-heartbeat.json")).expect("heartbeat");
    assert!(heartbeat.refusal.is_some());
    let manifest: Manifest =
        serde_json::from_str(include_str!("data/v1-manifest.json")).expect("manifest");
    assert_eq!(manifest.deployments.len(), 1);
    let changing: Manifest =
        serde_json::from_str(include_str!("data/v1-manifest-keys.json")).expect("manifest");
    let keys = [&changing.announced_keys, &changing.retired_keys];
    assert!(
        keys.iter()
            .all(|keys| keys[0].parse::<TrustedKey>().is_ok())
    );
}

#[test]
fn a_phase_of_a_newer_version_is_tolerated() {
    let newer = include_str!("data/v1-device-state.json").replace("Failed", "Hibernating");
    let state: DeviceState = serde_json::from_str(&newer).expect("tolerated");
    assert_eq!(state.phase, Phase::Unknown);
}
