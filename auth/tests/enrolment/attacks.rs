//! What somebody tries who wants to become a device: each on one server, with devices of its own.

use fleet_contracts::enrolment::{COLLECTION, EnrolmentRefusal as R, EnrolmentToken};
use fleet_testbed::{Lease, Shared, wait};

use crate::device::{Answer, Device, Door, is_pending, one_of_eight_gets_in};
use crate::scene::{SOON, Scene};

static SCENE: Shared<Scene> = Shared::new(|test| test.starts_with("attacks::"));

async fn scene() -> Lease<Scene> {
    let scene = SCENE.lease(|| Scene::start("enrol-attacks")).await;
    scene.expect("leased")
}

fn refusal(answer: Answer) -> Option<R> {
    answer.err()
}

/// There is an enrolment of this key.
async fn is_enrolling(scene: &Scene, device: &Device) -> bool {
    let kept = scene.enrolments().get_opt(device.id.as_str()).await;
    kept.expect("an answer").is_some()
}

/// The device asks with a token, and waits for a decision.
async fn asks(scene: &Scene, door: &Door, token: &EnrolmentToken) -> Device {
    let device = Device::new();
    let answer = device.ask(door, token).await;
    assert!(is_pending(&answer), "{answer:?}");
    assert!(is_enrolling(scene, &device).await);
    device
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_enrolment_token_used_again() {
    let scene = scene().await;
    let (door, thief) = (scene.door(), Device::new());
    let token = scene.token(&["--ttl", "1h"]);
    let owner = asks(&scene, &door, &token).await;
    assert_eq!(refusal(thief.ask(&door, &token).await), Some(R::TokenUsed));
    assert!(!is_enrolling(&scene, &thief).await);
    assert!(is_pending(&owner.get(&door).await), "the owner still is");
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_enrolment_token_used_by_many_at_once() {
    let scene = scene().await;
    let (door, token) = (scene.door(), scene.token(&[]));
    let asked = one_of_eight_gets_in(&door, &token).await;
    for (device, answer) in &asked {
        let enrolling = is_enrolling(&scene, device).await;
        assert_eq!(enrolling, is_pending(answer));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_enrolment_token_that_has_ended() {
    let scene = scene().await;
    let (door, late) = (scene.door(), Device::new());
    // Asked with a device id that the token is not for, it is refused before it is used.
    let short = scene.token(&["--ttl", "1s", "--device-id", "robot-short"]);
    let over = || async {
        let wrong = late.request(&short, Some("robot-other"));
        refusal(late.post(&door, &wrong).await) == Some(R::TokenExpired)
    };
    assert!(wait::until(SOON, over).await, "a token ends");
    assert_eq!(
        refusal(late.ask(&door, &short).await),
        Some(R::TokenExpired)
    );
    assert!(!is_enrolling(&scene, &late).await);
    // The same device with a token that has not ended.
    let long = scene.token(&["--ttl", "1h"]);
    assert!(is_pending(&late.ask(&door, &long).await));
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_enrolment_token_of_another_device() {
    let scene = scene().await;
    let (door, thief) = (scene.door(), Device::new());
    let bound = scene.token(&["--device-id", "robot-bound"]);
    let wrong = thief.request(&bound, Some("robot-thief"));
    assert_eq!(
        refusal(thief.post(&door, &wrong).await),
        Some(R::WrongDevice)
    );
    assert!(!is_enrolling(&scene, &thief).await);
    // The refusal did not use it up.
    let owner = asks(&scene, &door, &bound).await;
    let kept = scene.enrolments().get(owner.id.as_str()).await;
    assert_eq!(kept.expect("kept").spec.device_id.as_str(), "robot-bound");
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_enrolment_with_the_id_of_another_device() {
    let scene = scene().await;
    let (door, owner, thief) = (scene.door(), Device::new(), Device::new());
    let first = owner.request(&scene.token(&[]), Some("robot-owned"));
    assert!(is_pending(&owner.post(&door, &first).await));
    let second = thief.request(&scene.token(&[]), Some("robot-owned"));
    assert_eq!(
        refusal(thief.post(&door, &second).await),
        Some(R::DeviceIdTaken)
    );
    assert!(!is_enrolling(&scene, &thief).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn attack_enrolment_with_anothers_key() {
    let scene = scene().await;
    let (door, owner, thief) = (scene.door(), Device::new(), Device::new());
    let request = owner.request(&scene.token(&[]), None);
    let body = serde_json::to_vec(&request).expect("json");
    let good = owner.proof(&door, "POST", COLLECTION, &body);
    let (claims, _) = good.rsplit_once('.').expect("a signature");
    for proof in [
        thief.proof(&door, "POST", COLLECTION, &body),
        owner.proof(&door, "POST", COLLECTION, b"{}"),
        format!("{claims}.{}", "A".repeat(342)),
        String::new(),
    ] {
        let answer = door.send("POST", COLLECTION, &proof, body.clone()).await;
        assert_eq!(refusal(answer), Some(R::BadProof));
        assert!(!is_enrolling(&scene, &owner).await);
    }
    let answer = door.send("POST", COLLECTION, &good, body).await;
    assert!(is_pending(&answer), "{answer:?}");
}
