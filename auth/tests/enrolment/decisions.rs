//! People decide, nobody else, and what they decide is done.

use fleet_api::{Decision, DeviceEnrolment};
use fleet_contracts::enrolment::{DenialReason, EnrolmentState};
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use serde_json::{Value, json};

use crate::device::{Device, is_pending};
use crate::scene::Scene;

fn denied(reason: DenialReason, message: &str) -> EnrolmentState {
    let message = message.to_owned();
    EnrolmentState::Denied { reason, message }
}

#[tokio::test(flavor = "multi_thread")]
async fn denied_stays_denied_revoked_loses_access_and_a_new_token_asks_anew() {
    let scene = Scene::start("enrol-decisions").await;
    let (door, device) = (scene.door(), Device::new());
    let state = || async { device.get(&door).await.expect("an enrolment").state };
    let first = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&device.ask(&door, &first).await));
    scene
        .decide(device.id.as_str(), Decision::Denied, "not ours")
        .await;
    assert_eq!(state().await, denied(DenialReason::Rejected, "not ours"));
    let again = device.ask(&door, &first).await.expect("an enrolment");
    assert_eq!(again.state, denied(DenialReason::Rejected, "not ours"));

    let second = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&device.ask(&door, &second).await), "asks anew");
    scene.approve(&device).await;
    let told = scene.approval(&device).await;
    assert_eq!(
        scene.keys(&told.user_id),
        std::slice::from_ref(&told.key_id)
    );
    assert_eq!(told.issuer, scene.idp().issuer());
    assert!(told.key_expires_at.is_some() && told.issuer_ca.is_some());

    scene
        .decide(device.id.as_str(), Decision::Denied, "stolen")
        .await;
    assert_eq!(state().await, denied(DenialReason::Revoked, "stolen"));
    let gone = || async { scene.keys(&told.user_id).is_empty() };
    scene.until("without keys", gone).await;
    assert_eq!(scene.user_state(&told.user_id), "USER_STATE_INACTIVE");

    // Found again: another token, another approval, the same user with one new key.
    let third = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&device.ask(&door, &third).await));
    scene.approve(&device).await;
    let anew = scene.approval(&device).await;
    assert_eq!(anew.user_id, told.user_id);
    assert_ne!(anew.key_id, told.key_id);
    assert_eq!(scene.keys(&anew.user_id), [anew.key_id]);
    assert_eq!(scene.user_state(&anew.user_id), "USER_STATE_ACTIVE");
}

async fn service_client(scene: &Scene) -> Client {
    let config = Kubeconfig::read_from(&scene.service_kubeconfig).expect("read");
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await;
    Client::try_from(config.expect("a config")).expect("a client")
}

fn code(result: Result<DeviceEnrolment, kube::Error>) -> u16 {
    match result {
        Ok(_) => 200,
        Err(kube::Error::Api(status)) => status.code,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_cannot_approve_and_people_can_do_nothing_else() {
    let scene = Scene::start("enrol-rights").await;
    let (door, device) = (scene.door(), Device::new());
    assert!(is_pending(&device.ask(&door, &scene.token(&[])).await));
    let name = device.id.as_str();
    let theirs: Api<DeviceEnrolment> = Api::all(service_client(&scene).await);
    let params = PatchParams::default();
    let approval = json!({"spec": {"approval": {"decision": "Approved"}}});
    let patch = |value: &Value| Patch::Merge(value.clone());
    assert_eq!(
        code(theirs.patch(name, &params, &patch(&approval)).await),
        403
    );
    let seen = theirs.get(name).await.expect("readable");
    assert_eq!(
        code(theirs.replace(name, &PostParams::default(), &seen).await),
        403
    );
    // Nor by creating an enrolment that is approved from the start.
    let mut spec = seen.spec.clone();
    spec.approval = serde_json::from_value(approval["spec"]["approval"].clone()).expect("one");
    let ready_made = DeviceEnrolment::new(&"0".repeat(40), spec);
    let created = theirs.create(&PostParams::default(), &ready_made).await;
    assert_eq!(code(created), 422);

    let ours = scene.enrolments();
    for change in [
        json!({"spec": {"deviceId": "robot-9"}}),
        json!({"spec": {"publicKey": "-----BEGIN PUBLIC KEY-----\nx"}}),
        json!({"spec": {"labels": {"site": "paris"}}}),
        json!({"spec": {"approval": {"decision": "Perhaps"}}}),
    ] {
        assert_eq!(
            code(ours.patch(name, &params, &patch(&change)).await),
            422,
            "{change}"
        );
    }
    assert_eq!(
        code(ours.patch(name, &params, &patch(&approval)).await),
        200
    );
    let undone = json!({"spec": {"approval": null}});
    assert_eq!(code(ours.patch(name, &params, &patch(&undone)).await), 422);
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_decides_in_time() {
    let bed = fleet_testbed::Testbed::builder("enrol-patience")
        .control_plane()
        .idp();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    scene.run(&["--approval-timeout", "2"]);
    scene.until_open().await;
    let (door, device) = (scene.door(), Device::new());
    assert!(device.ask(&door, &scene.token(&[])).await.is_ok());
    let over = || async {
        let state = device.get(&door).await.expect("an enrolment").state;
        state == denied(DenialReason::ApprovalTimedOut, "")
    };
    scene.until("denied", over).await;
    // People outrank clocks.
    scene.approve(&device).await;
    scene.approval(&device).await;
}
