//! Two of the service are one service.

use std::time::Duration;

use fleet_contracts::enrolment::EnrolmentState;
use fleet_contracts::enrolment::NextKeyState::Added;
use fleet_testbed::{Endpoint, Fault};
use serde_json::json;

use crate::device::{Device, is_pending};
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_answer_alike_and_one_provisions_also_when_the_other_dies() {
    let scene = Scene::start("enrol-replicas").await;
    let second = scene.run_another("two", &[]);
    scene.until_door_open(&second.door.url).await;
    let (door, device) = (scene.door(), Device::new());
    let token = scene.token(&["--device-id", "robot-7"]);
    let slow = Fault::Slow(Duration::from_millis(150));
    scene.idp().inject_at(Endpoint::Management, slow);
    // The same request at both at once: one enrolment.
    let (first, other) = tokio::join!(device.ask(&door, &token), device.ask(&second.door, &token));
    assert!(
        is_pending(&first) && is_pending(&other),
        "{first:?} {other:?}"
    );
    scene.approve(&device).await;
    // The one that leads dies in the middle; the other takes over.
    let begun = || async { scene.idp().requests(Endpoint::Management) >= 5 };
    scene.until("begun", begun).await;
    scene.kill();
    let ready = || async {
        let state = device.get(&second.door).await.expect("answered").state;
        matches!(state, EnrolmentState::Approved(_))
    };
    scene.until("ready", ready).await;
    // And the first comes back while a key is being replaced through the second.
    scene.run(&[]);
    scene.until_open().await;
    let next = Device::new();
    let added = || async {
        let here = device.offer(&door, &device.id, &next).await;
        let there = device.offer(&second.door, &device.id, &next).await;
        matches!((here, there), (Ok(Added { .. }), Ok(Added { .. })))
    };
    scene.until("added", added).await;
    let (here, there) = tokio::join!(
        next.take_up(&door, &device.id),
        next.take_up(&second.door, &device.id)
    );
    assert_eq!(here.expect("taken up"), there.expect("taken up"));
    scene.idp().heal();
    let status = || async {
        let kept = scene.enrolments().get(device.id.as_str()).await;
        kept.expect("there").status.expect("a status")
    };
    let settled = || async { status().await.retired_key_id.is_none() };
    scene.until("settled", settled).await;

    let status = status().await;
    let user = status.user_id.expect("a user");
    assert_eq!(scene.keys(&user), [status.key_id.expect("a key")]);
    let query = json!({"queries": [{"userNameQuery": {"userName": "fleet-device-robot-7"}}]});
    let users = scene.idp().call("ListUsers", query).expect("users");
    assert_eq!(users["result"].as_array().map(Vec::len), Some(1));
    let (api, params) = (scene.enrolments(), kube::api::ListParams::default());
    assert_eq!(api.list(&params).await.expect("a list").items.len(), 1);
}
