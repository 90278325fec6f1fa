//! What a policy approves nobody has to, it says why, and a person goes before it.

use std::fs;

use fleet_api::{Decision, DeviceEnrolment};
use fleet_contracts::enrolment::{DenialReason, EnrolmentState};
use fleet_testbed::Testbed;

use crate::device::{Device, is_pending};
use crate::scene::Scene;

async fn scene(name: &str, policy: &str) -> Scene {
    let bed = Testbed::builder(name).control_plane().idp();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    let path = scene.path("approval.json");
    fs::write(&path, policy).expect("written");
    scene.run(&["--approval-policy-file", &path.display().to_string()]);
    scene.until_open().await;
    scene
}

async fn kept(scene: &Scene, device: &Device) -> DeviceEnrolment {
    let kept = scene.enrolments().get(device.id.as_str()).await;
    kept.expect("an enrolment")
}

fn condition(of: &DeviceEnrolment, kind: &str) -> (String, String, String) {
    let conditions = of.status.as_ref().map(|s| s.conditions.clone());
    let conditions = conditions.unwrap_or_default();
    let found = conditions.into_iter().find(|c| c.type_ == kind);
    let found = found.expect("a condition");
    (found.status, found.reason, found.message)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_approves_what_fits_says_so_and_a_person_denies_it_all_the_same() {
    let policy = r#"{"rules": [
        {"name": "cells", "tokenFleet": "lyon", "deviceIds": ["cell-*"], "sources": ["198.18.0.0/15", "::1/128"]}
    ]}"#;
    let scene = scene("policy", policy).await;
    let door = scene.door();
    let good = Device::new();
    let token = scene.token(&["--fleet", "lyon", "--device-id", "cell-1"]);
    assert!(good.ask(&door, &token).await.is_ok());
    let told = scene.approval(&good).await;
    assert_eq!(told.device_id.as_str(), "cell-1");
    let enrolment = kept(&scene, &good).await;
    assert_eq!(
        enrolment.spec.approval, None,
        "nobody but a person writes there"
    );
    let (status, reason, message) = condition(&enrolment, "Approved");
    assert_eq!(
        (status.as_str(), reason.as_str()),
        ("True", "ApprovedByPolicy")
    );
    assert!(
        message.starts_with(r#"Rule "cells": its token is of fleet lyon; its id fits cell-*; "#),
        "{message}"
    );
    let log = fs::read_to_string(scene.path("enrol.log")).expect("a log");
    let line = log.lines().find(|line| line.contains("approved by policy"));
    assert!(
        line.is_some_and(|l| l.contains("audit") && l.contains("cells")),
        "{log}"
    );

    // Another fleet's token, or another id: somebody has to look.
    for args in [
        ["--fleet", "paris", "--device-id", "cell-2"],
        ["--fleet", "lyon", "--device-id", "robot-7"],
    ] {
        let other = Device::new();
        assert!(is_pending(&other.ask(&door, &scene.token(&args)).await));
        let enrolment = kept(&scene, &other).await;
        let by = enrolment.status.and_then(|s| s.policy_approval);
        assert_eq!(by, None, "{args:?}");
    }

    scene
        .decide(good.id.as_str(), Decision::Denied, "not this one")
        .await;
    let gone = || async { scene.keys(&told.user_id).is_empty() };
    scene.until("without keys", gone).await;
    let state = good.get(&door).await.expect("an enrolment").state;
    let (reason, message) = (DenialReason::Revoked, "not this one".to_owned());
    assert_eq!(state, EnrolmentState::Denied { reason, message });
    // Asked again with the same token, the policy does not bring it back.
    assert!(good.ask(&door, &token).await.is_ok());
    let (status, ..) = condition(&kept(&scene, &good).await, "Approved");
    assert_eq!(status, "False");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_dies_between_asking_and_approving_approves_when_asked_again() {
    let scene = scene(
        "policy-death",
        r#"{"rules": [{"name": "all", "deviceIds": ["*"]}]}"#,
    )
    .await;
    let (door, device) = (scene.door(), Device::new());
    let path = scene.path("approval.json");
    // As if it died before it came to the policy: a file that cannot be read approves nobody.
    let policy = fs::read(&path).expect("a file");
    fs::write(&path, "{").expect("written");
    let token = scene.token(&[]);
    assert!(is_pending(&device.ask(&door, &token).await));
    assert!(is_pending(&device.get(&door).await));
    let log = fs::read_to_string(scene.path("enrol.log")).expect("a log");
    assert!(log.contains("no device is approved by policy"), "{log}");
    scene.kill();
    fs::write(&path, policy).expect("written");
    scene.run(&["--approval-policy-file", &path.display().to_string()]);
    scene.until_open().await;
    assert!(device.ask(&door, &token).await.is_ok());
    scene.approval(&device).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_that_cannot_be_used_keeps_the_service_from_starting() {
    let bed = Testbed::builder("policy-bad").control_plane().idp();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    let path = scene.path("approval.json");
    fs::write(&path, r#"{"rules": [{"name": "everybody"}]}"#).expect("written");
    scene.run(&["--approval-policy-file", &path.display().to_string()]);
    let said = || async {
        let log = fs::read_to_string(scene.path("enrol.log")).unwrap_or_default();
        log.contains("approval.json cannot be used") && log.contains("would approve every device")
    };
    scene.until("said", said).await;
}
