//! Killed between any two steps, and with an identity provider that fails, it comes to the same.

use std::time::Duration;

use fleet_testbed::{Endpoint, Fault};
use serde_json::json;

use crate::device::{Device, is_pending};
use crate::scene::Scene;

/// Calls of the identity provider that one enrolment makes: looking and doing, five steps.
const CALLS: u64 = 16;

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_call_it_ends_with_one_user_one_key_and_one_role() {
    let scene = Scene::start("enrol-deaths").await;
    let (door, device) = (scene.door(), Device::new());
    assert!(is_pending(
        &device
            .ask(&door, &scene.token(&["--device-id", "robot-7"]))
            .await
    ));
    // Slow enough to be killed while it waits for an answer.
    let slow = Fault::Slow(Duration::from_millis(150));
    scene.idp().inject_at(Endpoint::Management, slow);
    scene.approve(&device).await;
    let mut deaths = 0;
    for call in 1..=CALLS {
        let before = scene.idp().requests(Endpoint::Management);
        let reached = || async {
            let stands = scene
                .enrolments()
                .get(device.id.as_str())
                .await
                .expect("there");
            let has_key = stands.status.is_some_and(|s| s.key_id.is_some());
            has_key || scene.idp().requests(Endpoint::Management) >= before + call
        };
        scene.until("as far", reached).await;
        scene.kill();
        deaths += 1;
        scene.run(&[]);
    }
    assert_eq!(deaths, CALLS);
    scene.idp().heal();
    scene.until_open().await;
    let told = scene.approval(&device).await;
    assert_eq!(scene.keys(&told.user_id), [told.key_id]);
    let users = scene.idp().call(
        "ListUsers",
        json!({"queries": [{"userNameQuery": {"userName": "fleet-device-robot-7"}}]}),
    );
    let users = users.expect("users");
    assert_eq!(users["result"].as_array().map(Vec::len), Some(1));
    let filter = json!({"filters": [{"userId": {"id": told.user_id}}]});
    let grants = scene
        .idp()
        .call("ListAuthorizations", filter)
        .expect("grants");
    assert_eq!(grants["authorizations"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_identity_provider_fails_the_reason_is_said_and_then_it_goes_on() {
    let scene = Scene::start("enrol-idp-away").await;
    let (door, device) = (scene.door(), Device::new());
    assert!(is_pending(&device.ask(&door, &scene.token(&[])).await));
    scene
        .idp()
        .inject_at(Endpoint::Management, Fault::Status(503));
    scene.approve(&device).await;
    let said = || async {
        let stands = scene
            .enrolments()
            .get(device.id.as_str())
            .await
            .expect("there");
        let conditions = stands.status.unwrap_or_default().conditions;
        conditions
            .iter()
            .any(|c| c.reason == "IdentityProviderFailed" && c.message.contains("503"))
    };
    scene.until("said", said).await;
    assert!(is_pending(&device.get(&door).await));
    scene.idp().heal();
    scene.approval(&device).await;
}
