//! From nothing to a device on the bus: `fleet-agent enrol`, an approval, a token of its own, a login.

use fleet_api::Decision;
use fleet_contracts::kv::Bucket;
use fleet_testbed::Testbed;
use kube::api::ListParams;

use crate::agent::Agent;
use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_device_enrols_is_approved_and_logs_in() {
    let bed = Testbed::builder("enrol-whole")
        .control_plane()
        .idp()
        .callout();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    let Some(agent) = Agent::new(&scene) else {
        return;
    };
    scene.run(&[]);
    scene.until_open().await;
    let (bus, callout) = scene.bus().await;
    let token = scene.token(&["--device-id", "robot-7"]);
    let enrolling = agent.enrol(&token);
    let waits = || async { agent.said().contains("waiting for approval") };
    scene.until("asked", waits).await;
    let asked = scene
        .enrolments()
        .list(&ListParams::default())
        .await
        .expect("a list");
    let name = asked.items[0].metadata.name.clone().expect("a name");
    assert!(
        agent.said().contains(&asked.items[0].spec.fingerprint),
        "people can compare keys"
    );
    scene.decide(&name, Decision::Approved, "").await;
    let enrolled = || async { agent.said().contains("enrolled as robot-7") };
    scene.until("enrolled", enrolled).await;
    drop(enrolling);

    let running = agent.spawn(&[]);
    let introduced = || async {
        bus.get(Bucket::DeviceInfo, "robot-7")
            .await
            .is_ok_and(|stored| stored.is_some())
    };
    scene.until("on the bus", introduced).await;
    assert!(callout.log().contains("admitted"));
    drop(running);
}
