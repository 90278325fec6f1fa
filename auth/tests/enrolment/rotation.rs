//! An enrolled device replaces its key: nobody approves, nothing is lost, and nobody else can.

use std::time::Duration;

use fleet_api::Decision;
use fleet_contracts::enrolment::rotation::{key_path, next_key_path};
use fleet_contracts::enrolment::{
    Approval, DenialReason, EnrolmentId, EnrolmentRefusal as R, EnrolmentState, NextKeyState,
};
use fleet_testbed::{Endpoint, Fault};

use crate::device::{Device, is_pending};
use crate::scene::Scene;

/// Calls of the identity provider while one key takes the place of another.
const CALLS: u64 = 12;

/// A device that may log in.
async fn enrolled(scene: &Scene, device: &Device) -> Approval {
    let token = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&device.ask(&scene.door(), &token).await));
    scene.approve(device).await;
    scene.approval(device).await
}

/// Offers `next` until the identity provider has it; the name of the key there.
async fn added(scene: &Scene, id: &EnrolmentId, old: &Device, next: &Device) -> String {
    let door = scene.door();
    let told = std::sync::Mutex::new(String::new());
    let ready = || async {
        match old.offer(&door, id, next).await {
            Ok(NextKeyState::Added { key_id, .. }) => {
                *told.lock().expect("no panic") = key_id;
                true
            }
            Ok(_) | Err(R::Unavailable) => false,
            Err(other) => panic!("{other}"),
        }
    };
    scene.until("added", ready).await;
    told.into_inner().expect("no panic")
}

fn approval(state: EnrolmentState) -> Approval {
    match state {
        EnrolmentState::Approved(approval) => *approval,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_takes_the_place_of_another_and_the_old_one_is_nobodys() {
    let scene = Scene::start("rotation").await;
    let (door, old, new) = (scene.door(), Device::new(), Device::new());
    let id = old.id.clone();
    let first = enrolled(&scene, &old).await;
    let (ends, rotate) = (first.key_expires_at, first.rotate_at);
    assert!(rotate.is_some() && rotate < ends, "{rotate:?} {ends:?}");

    let key_id = added(&scene, &id, &old, &new).await;
    let again = added(&scene, &id, &old, &new).await;
    assert_eq!(again, key_id, "said again, not added again");
    let mut both = vec![first.key_id.clone(), key_id.clone()];
    both.sort();
    let mut there = scene.keys(&first.user_id);
    there.sort();
    assert_eq!(there, both, "both are good until the new one has worked");

    let told = approval(new.take_up(&door, &id).await.expect("taken up").state);
    assert_eq!(told.key_id, key_id);
    assert_eq!(
        (&told.user_id, &told.device_id),
        (&first.user_id, &first.device_id)
    );
    assert!(told.key_expires_at >= ends);
    let alone = || async { scene.keys(&first.user_id) == [key_id.clone()] };
    scene.until("alone", alone).await;
    let again = new.take_up(&door, &id).await.expect("said again");
    assert_eq!(approval(again.state).key_id, key_id);

    // The old key opens nothing, the new one all that the old one did.
    assert_eq!(old.get(&door).await, Err(R::BadProof));
    assert_eq!(old.take_up(&door, &id).await, Err(R::BadProof));
    let third = Device::new();
    assert_eq!(old.offer(&door, &id, &third).await, Err(R::BadProof));
    let seen = new.look(&door, &id).await.expect("an enrolment");
    assert_eq!(approval(seen.state).key_id, key_id);
    let later = added(&scene, &id, &new, &third).await;
    let told = approval(third.take_up(&door, &id).await.expect("taken up").state);
    assert_eq!(told.key_id, later);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_who_holds_both_keys_changes_them_and_only_while_the_device_may_log_in() {
    let scene = Scene::start("rotation-refused").await;
    let (door, device, next, thief) = (scene.door(), Device::new(), Device::new(), Device::new());
    let id = device.id.clone();
    let token = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&device.ask(&door, &token).await));
    let early = device.offer(&door, &id, &next).await;
    assert_eq!(early, Err(R::NotApproved), "nobody has decided");
    scene.approve(&device).await;
    let told = scene.approval(&device).await;

    let (path, body) = (next_key_path(&id), next.change());
    let by = |key: &Device| key.proof(&door, "PUT", &path, &body);
    for proofs in [
        [by(&thief), by(&next)],
        [by(&next), by(&next)],
        [by(&device), by(&thief)],
        [by(&device), by(&device)],
        [by(&device), String::new()],
        [String::new(), by(&next)],
    ] {
        let refused = door.offer(&path, &proofs, body.clone()).await;
        assert_eq!(refused, Err(R::BadProof));
    }
    // A proof is for one call: neither for another body nor for another place.
    let proofs = [by(&device), by(&next)];
    let other = door.offer(&path, &proofs, thief.change()).await;
    assert_eq!(other, Err(R::BadProof));
    let theirs = next_key_path(&thief.id);
    let elsewhere = door.offer(&theirs, &proofs, body.clone()).await;
    assert_eq!(elsewhere, Err(R::NotFound));
    assert_eq!(device.offer(&door, &id, &device).await, Err(R::Malformed));
    assert_eq!(
        next.take_up(&door, &id).await,
        Err(R::BadProof),
        "not offered"
    );
    let path = key_path(&id);
    let garbage = device.proof(&door, "PUT", &path, b"{}");
    let refused = door.send("PUT", &path, &garbage, b"{}".to_vec()).await;
    assert_eq!(refused, Err(R::Malformed));
    assert_eq!(scene.keys(&told.user_id), [told.key_id]);

    scene.decide(id.as_str(), Decision::Denied, "stolen").await;
    let late = device.offer(&door, &id, &next).await;
    assert_eq!(late, Err(R::NotApproved));
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_call_a_rotation_ends_with_one_key() {
    let scene = Scene::start("rotation-deaths").await;
    let (old, new) = (Device::new(), Device::new());
    let first = enrolled(&scene, &old).await;
    let slow = Fault::Slow(Duration::from_millis(100));
    scene.idp().inject_at(Endpoint::Management, slow);
    let door = scene.door();
    assert!(old.offer(&door, &old.id, &new).await.is_ok());
    die_at_each_call(&scene).await;
    added(&scene, &old.id, &old, &new).await;
    let told = new.take_up(&door, &old.id).await.expect("taken up");
    let told = approval(told.state);
    die_at_each_call(&scene).await;
    scene.idp().heal();
    let alone = || async { scene.keys(&first.user_id) == [told.key_id.clone()] };
    scene.until("alone", alone).await;
    // Nothing is left to be done.
    let kept = || async {
        let kept = scene
            .enrolments()
            .get(old.id.as_str())
            .await
            .expect("there");
        let status = kept.status.expect("a status");
        status.retired_key_id.is_none() && status.next_key.is_none()
    };
    scene.until("at rest", kept).await;
}

/// Kills the service at each call that it makes, until it makes none any more or has made many.
async fn die_at_each_call(scene: &Scene) {
    for call in 1..=CALLS {
        let before = scene.idp().requests(Endpoint::Management);
        let reached = || async { scene.idp().requests(Endpoint::Management) >= before + call };
        let in_time = fleet_testbed::wait::until(Duration::from_secs(3), reached).await;
        scene.kill();
        scene.run(&[]);
        if !in_time {
            break;
        }
    }
    scene.until_open().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_lost_its_next_key_offers_another() {
    let scene = Scene::start("rotation-lost").await;
    let (door, old, lost, new) = (scene.door(), Device::new(), Device::new(), Device::new());
    let first = enrolled(&scene, &old).await;
    let gone = added(&scene, &old.id, &old, &lost).await;
    let key_id = added(&scene, &old.id, &old, &new).await;
    assert_ne!(key_id, gone);
    let told = new.take_up(&door, &old.id).await.expect("taken up");
    assert_eq!(approval(told.state).key_id, key_id);
    assert_eq!(lost.take_up(&door, &old.id).await, Err(R::BadProof));
    let alone = || async { scene.keys(&first.user_id) == [key_id.clone()] };
    scene.until("alone", alone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denial_in_the_middle_takes_both_keys_and_an_approval_brings_both_back() {
    let scene = Scene::start("rotation-denied").await;
    let (door, old, new) = (scene.door(), Device::new(), Device::new());
    let first = enrolled(&scene, &old).await;
    added(&scene, &old.id, &old, &new).await;
    scene
        .decide(old.id.as_str(), Decision::Denied, "lost")
        .await;
    let gone = || async { scene.keys(&first.user_id).is_empty() };
    scene.until("without keys", gone).await;
    assert_eq!(new.take_up(&door, &old.id).await, Err(R::NotApproved));
    scene.approve(&old).await;
    // It uses the new key already, and only says so now.
    let told = std::sync::Mutex::new(None);
    let taken = || async {
        match new.take_up(&door, &old.id).await {
            Ok(enrolment) => {
                *told.lock().expect("no panic") = Some(approval(enrolment.state));
                true
            }
            Err(R::Unavailable | R::NotApproved) => false,
            Err(other) => panic!("{other}"),
        }
    };
    scene.until("taken up", taken).await;
    let told = told.into_inner().expect("no panic").expect("told");
    let alone = || async { scene.keys(&first.user_id) == [told.key_id.clone()] };
    scene.until("alone", alone).await;
    assert_eq!(scene.user_state(&first.user_id), "USER_STATE_ACTIVE");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_key_is_over_needs_a_token_and_an_approval_again() {
    let bed = fleet_testbed::Testbed::builder("rotation-expired")
        .control_plane()
        .idp();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    scene.run(&["--key-lifetime", "6"]);
    scene.until_open().await;
    let (door, device, next) = (scene.door(), Device::new(), Device::new());
    enrolled(&scene, &device).await;
    let over = || async {
        let state = device.get(&door).await.expect("an enrolment").state;
        matches!(state, EnrolmentState::Denied { reason, .. } if reason == DenialReason::KeyExpired)
    };
    scene.until("over", over).await;
    let late = device.offer(&door, &device.id, &next).await;
    assert_eq!(late, Err(R::NotApproved));
    // A new token, and a person has to look again: the old approval is not inherited.
    let token = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&device.ask(&door, &token).await));
    let asked = scene.enrolments().get(device.id.as_str()).await;
    assert_eq!(asked.expect("there").spec.approval, None);
    scene.approve(&device).await;
    scene.approval(&device).await;
}
