//! The agent replaces its own key: in time, by itself, and whatever is killed in between.

use std::time::Duration;

use fleet_api::{Decision, DeviceEnrolment};
use fleet_contracts::kv::Bucket;
use fleet_testbed::{Endpoint, Fault, Testbed, wait};
use kube::api::ListParams;

use crate::agent::Agent;
use crate::device::{Device, is_pending};
use crate::scene::Scene;

async fn the_enrolment(scene: &Scene) -> Option<DeviceEnrolment> {
    let all = scene.enrolments().list(&ListParams::default()).await;
    all.expect("a list").items.into_iter().next()
}

/// Enrols and approves.
pub(crate) async fn enrol(scene: &Scene, agent: &Agent<'_>) -> DeviceEnrolment {
    let token = scene.token(&["--device-id", "robot-7"]);
    let enrolling = agent.enrol(&token);
    let asked = || async { the_enrolment(scene).await.is_some() };
    scene.until("asked", asked).await;
    let enrolment = the_enrolment(scene).await.expect("there");
    let name = enrolment.metadata.name.clone().expect("a name");
    scene.decide(&name, Decision::Approved, "").await;
    let enrolled = || async { agent.said().contains("enrolled as robot-7") };
    scene.until("enrolled", enrolled).await;
    drop(enrolling);
    enrolment
}

/// One key, the same for device, service and identity provider.
async fn is_settled(scene: &Scene, agent: &Agent<'_>) -> bool {
    let status = the_enrolment(scene).await.and_then(|e| e.status);
    let status = status.expect("a status");
    let user = status.user_id.clone().unwrap_or_default();
    let known: Vec<String> = status.key_id.clone().into_iter().collect();
    let in_use = agent.enrolment()["approval"]["keyId"].clone();
    status.next_key.is_none()
        && status.retired_key_id.is_none()
        && scene.keys(&user) == known
        && in_use == known[0]
        && agent.key_files().len() == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn the_agent_replaces_its_key_in_time_and_stays_on_the_bus() {
    let bed = Testbed::builder("renewal").control_plane().idp().callout();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    let Some(agent) = Agent::new(&scene) else {
        return;
    };
    // A key that should be replaced after 40 s; and tokens so short that the new key is soon needed.
    scene.run(&["--key-lifetime", "60"]);
    scene.idp().set_token_lifetime(Duration::from_secs(15));
    scene.until_open().await;
    let (bus, _callout) = scene.bus().await;
    enrol(&scene, &agent).await;
    let first = agent.enrolment()["approval"]["keyId"].clone();
    let running = agent.spawn(&[]);
    let introduced = || async {
        let stored = bus.get(Bucket::DeviceInfo, "robot-7").await;
        stored.is_ok_and(|stored| stored.is_some())
    };
    scene.until("on the bus", introduced).await;
    let replaced = || async {
        let now = agent.enrolment()["approval"]["keyId"].clone();
        now != first && is_settled(&scene, &agent).await
    };
    scene.until("replaced", replaced).await;
    // The bus ends each session with its token, so the next ones are minted with the new key.
    let sessions = || agent.said().matches("connected to the bus").count();
    let before = sessions();
    let again = || async { sessions() >= before + 2 };
    scene.until("back with tokens of the new key", again).await;
    assert!(!agent.said().contains("no new token"), "{}", agent.said());
    drop(running);
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_every_step_the_agent_ends_with_one_key_that_works() {
    let scene = Scene::start("renewal-deaths").await;
    let Some(agent) = Agent::new(&scene) else {
        return;
    };
    let enrolment = enrol(&scene, &agent).await;
    let name = enrolment.metadata.name.expect("a name");
    let slow = Fault::Slow(Duration::from_millis(200));
    scene.idp().inject(slow);
    let status = || async {
        let found = scene.enrolments().get(&name).await.expect("there");
        found.status.expect("a status")
    };
    let tokens = scene.idp().requests(Endpoint::Token);
    for point in 0..7 {
        let mut running = agent.spawn(&["rotate", "--now"]);
        let reached = async {
            loop {
                let reached = match point {
                    0 => agent.key_files().len() == 2,
                    1 => status().await.next_key.is_some(),
                    2 => status().await.next_key.is_some_and(|n| n.key_id.is_some()),
                    3 => scene.idp().requests(Endpoint::Token) > tokens,
                    4 => agent.enrolment()["keyGeneration"] == 2,
                    5 => status().await.public_key.is_some(),
                    _ => agent.key_files() == ["device-key-2.pem"],
                };
                if reached || running.has_ended() {
                    return;
                }
                tokio::task::yield_now().await;
            }
        };
        let in_time = tokio::time::timeout(Duration::from_secs(60), reached).await;
        assert!(in_time.is_ok(), "never at point {point}: {}", agent.said());
        drop(running);
        // The service dies as well, at some point of its own.
        scene.kill();
        scene.run(&[]);
        scene.until_open().await;
    }
    scene.idp().heal();
    let (replaced, said) = agent.run(&["rotate"]).await;
    assert!(replaced, "{said}");
    let settled = || is_settled(&scene, &agent);
    scene.until("settled", settled).await;
    let generation = agent.enrolment()["keyGeneration"].as_u64();
    // It looks, offers and mints with what it has.
    let (replaced, said) = agent.run(&["rotate", "--now"]).await;
    assert!(replaced, "{said}");
    assert_eq!(
        agent.enrolment()["keyGeneration"].as_u64(),
        generation.map(|g| g + 1)
    );
    scene.until("settled", settled).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_was_switched_off_too_long_says_so_and_changes_nothing() {
    let bed = Testbed::builder("renewal-late").control_plane().idp();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    let Some(agent) = Agent::new(&scene) else {
        return;
    };
    scene.run(&["--key-lifetime", "8"]);
    scene.until_open().await;
    enrol(&scene, &agent).await;
    let before = agent.enrolment();
    let late = || async {
        let (replaced, said) = agent.run(&["rotate"]).await;
        !replaced && said.contains("KeyExpired") && said.contains("enrol it again")
    };
    // Not run while the key was good: the device was off.
    let ended = || async {
        let status = the_enrolment(&scene).await.and_then(|e| e.status);
        let conditions = status.map(|s| s.conditions).unwrap_or_default();
        conditions.iter().any(|c| c.reason == "KeyExpired")
    };
    scene.until("over", ended).await;
    assert!(wait::until(Duration::from_secs(10), late).await);
    assert_eq!(agent.enrolment(), before);
    assert_eq!(agent.key_files(), ["device-key.pem"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_names_other_manifest_keys_changes_nothing_about_whom_a_device_follows() {
    let scene = Scene::start("renewal-keys").await;
    let Some(agent) = Agent::new(&scene) else {
        return;
    };
    enrol(&scene, &agent).await;
    let followed = || agent.enrolment()["approval"]["manifestKeys"].clone();
    let (keys, first) = (followed(), agent.enrolment()["keyGeneration"].as_u64());
    scene.kill();
    // Somebody who got hold of the service, and would like to say what devices run.
    scene.run(&[
        "--manifest-key",
        "0I+U89SWsludY+cWjkzVpR7j6vd5UCNwwaC7TeNr20Y=",
    ]);
    scene.until_open().await;
    let (replaced, said) = agent.run(&["rotate", "--now"]).await;
    assert!(replaced, "{said}");
    assert_ne!(agent.enrolment()["keyGeneration"].as_u64(), first);
    assert_eq!(followed(), keys);
    // Who joins now is told of it: it is the service that says whom to follow.
    let (other, door) = (Device::new(), scene.door());
    assert!(is_pending(&other.ask(&door, &scene.token(&[])).await));
    scene.approve(&other).await;
    assert_eq!(scene.approval(&other).await.manifest_keys.len(), 2);
}
