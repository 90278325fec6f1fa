//! The service's permissions: each is needed, and none is missing.

use fleet_api::Decision;
use fleet_auth_core::enrol::rbac::{DEFAULT_LEASE, GRANTS, Scope};
use fleet_testbed::{Mismatch, Testbed};

use crate::device::{Device, is_pending};
use crate::scene::{NAMESPACE, SERVICE_USER, Scene};

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_granted_is_used_and_nothing_else_is_asked_for() {
    let bed = Testbed::builder("enrol-rbac")
        .control_plane()
        .idp()
        .audit([SERVICE_USER]);
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    let policy = scene.path("approval.json");
    let rules = r#"{"rules": [{"name": "cells", "deviceIds": ["cell-*"]}]}"#;
    std::fs::write(&policy, rules).expect("written");
    let policy = ["--approval-policy-file", &policy.display().to_string()];
    scene.run(&policy);
    scene.until_open().await;
    everything(&scene).await;

    let server = scene.bed.api_server().expect("a server");
    let requests = server.audited().expect("an audit log");
    let mismatch = Mismatch::between(&requests, GRANTS, DEFAULT_LEASE, |scope| match scope {
        Scope::Cluster => None,
        Scope::Namespace => Some(NAMESPACE),
    });
    assert_eq!(mismatch, Mismatch::default());
}

/// Everything the service does in its life.
async fn everything(scene: &Scene) {
    let (door, device, next) = (scene.door(), Device::new(), Device::new());
    let token = |id| scene.token(&["--device-id", id]);
    // Approved by a rule.
    let cell = Device::new();
    assert!(cell.ask(&door, &token("cell-1")).await.is_ok());
    scene.approval(&cell).await;
    // Denied by a person, asked again, approved, its key replaced, denied again.
    assert!(is_pending(&device.ask(&door, &token("robot-7")).await));
    scene
        .decide(device.id.as_str(), Decision::Denied, "who?")
        .await;
    assert!(is_pending(&device.ask(&door, &token("robot-7")).await));
    scene.approve(&device).await;
    let told = scene.approval(&device).await;
    let replaced = || async {
        let offered = device.offer(&door, &device.id, &next).await;
        offered.is_ok() && next.take_up(&door, &device.id).await.is_ok()
    };
    scene.until("taken up", replaced).await;
    scene
        .decide(device.id.as_str(), Decision::Denied, "stolen")
        .await;
    let gone = || async { scene.keys(&told.user_id).is_empty() };
    scene.until("without keys", gone).await;
    // It stops in order, which releases the Lease.
    scene.stop();
}
