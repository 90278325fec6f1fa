//! A denial reaches whoever lets devices in, and an approval takes it back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fleet_api::Decision;
use fleet_auth::bao::denials::{allowed_labels, denials, remember};
use fleet_auth::bao::{BaoLogin, BaoSettings, DenialError, Session};
use fleet_auth_core::AllowedLabels;
use fleet_contracts::DeviceId;
use fleet_testbed::{CalloutOptions, OpenBao, Testbed};
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::agent::Agent;
use crate::device::{Device, is_pending};
use crate::renewal::enrol;
use crate::scene::Scene;
use crate::vault::{delete, provisioned};

const SOON: Duration = Duration::from_secs(60);

/// OpenBao is set up, and the service may write there.
async fn scene(name: &str) -> Scene {
    let bed = Testbed::builder(name)
        .control_plane()
        .idp()
        .callout()
        .openbao();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    provisioned(server(&scene), &[]);
    run(&scene);
    scene.until_open().await;
    scene
}

fn server(scene: &Scene) -> &OpenBao {
    scene.bed.openbao().expect("openbao")
}

fn run(scene: &Scene) {
    let login = server(scene).enrol();
    let args = bao_args(scene, &login);
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    scene.run(&args);
}

fn bao_args(scene: &Scene, login: &fleet_testbed::BaoLogin) -> Vec<String> {
    let server = server(scene);
    [
        ("--bao-address", server.url()),
        ("--bao-ca-file", server.ca_file().display().to_string()),
        ("--bao-approle-id", login.role_id.clone()),
        (
            "--bao-approle-secret-file",
            login.secret_id_file.display().to_string(),
        ),
    ]
    .into_iter()
    .flat_map(|(option, value)| [option.to_owned(), value])
    .collect()
}

/// A login of the enrolment service's.
async fn session(server: &OpenBao) -> Session {
    // One for the process; another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let login = server.enrol();
    let settings = BaoSettings {
        address: server.url(),
        ca_file: Some(server.ca_file()),
        login: BaoLogin::AppRole {
            role_id: login.role_id,
            secret_id_file: login.secret_id_file,
        },
    };
    let session = Session::open_with(&settings, SOON).await;
    session.expect("logged in")
}

/// Why a device is shut out, if it is.
async fn shut_out(scene: &Scene, device: &str) -> Option<String> {
    let device: DeviceId = device.parse().expect("an id");
    let session = session(server(scene)).await;
    let list = denials(&session).await.expect("readable");
    list.devices
        .get(&device)
        .map(|denial| denial.reason.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_denied_device_is_thrown_off_the_bus_and_an_approved_one_comes_back() {
    let scene = scene("denial-bus").await;
    let Some(agent) = Agent::new(&scene) else {
        return;
    };
    let idp = scene.idp();
    let options = CalloutOptions::default()
        .believing(idp)
        .args(bao_args(&scene, &server(&scene).callout()));
    let callout = scene.bed.start_callout(options).expect("callout");
    let nats = scene.bed.nats().expect("nats");
    let bus = fleet_bus::Bus::over(nats.operator_client().await.expect("client"));
    let settings = fleet_bus::stream::StreamSettings::default();
    let streams = fleet_bus::stream::ensure_all(bus.context(), &settings).await;
    streams.expect("streams");
    let enrolment = enrol(&scene, &agent).await;
    let name = enrolment.metadata.name.expect("a name");
    let running = agent.spawn(&[]);
    let sessions = || agent.said().matches("connected to the bus").count();
    scene
        .until("on the bus", || async { sessions() == 1 })
        .await;

    scene.decide(&name, Decision::Denied, "stolen").await;
    let since = Instant::now();
    let refused = || async { callout.log().contains("DeviceDenied") };
    scene.until("thrown off, and refused again", refused).await;
    assert!(since.elapsed() < Duration::from_secs(30));
    assert_eq!(shut_out(&scene, "robot-7").await.as_deref(), Some("stolen"));
    let user = agent.enrolment()["approval"]["userId"].clone();
    let user = user.as_str().expect("an id");
    let inactive = || async { scene.user_state(user) == "USER_STATE_INACTIVE" };
    scene.until("inactive", inactive).await;
    assert_eq!(sessions(), 1);

    scene.decide(&name, Decision::Approved, "").await;
    let allowed = || async { shut_out(&scene, "robot-7").await.is_none() };
    scene.until("allowed", allowed).await;
    let ready = || async {
        let found = scene.enrolments().get(&name).await.expect("there");
        let conditions = found.status.map(|s| s.conditions).unwrap_or_default();
        conditions
            .iter()
            .any(|c| c.type_ == "Ready" && c.status == "True")
    };
    scene.until("ready", ready).await;
    // The key was added anew and has another name there, which the device finds out itself.
    drop(running);
    let running = agent.spawn(&[]);
    scene.until("back", || async { sessions() == 2 }).await;
    drop(running);
}

/// What the store says of a device.
async fn labels_of(scene: &Scene, device: &str) -> Option<AllowedLabels> {
    let device: DeviceId = device.parse().expect("an id");
    let session = session(server(scene)).await;
    allowed_labels(&session, &device).await.ok()
}

/// To the service, a store in which nothing was ever written is one that was lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_was_lost_is_told_again_who_was_let_in_and_under_which_labels() {
    let bed = Testbed::builder("denial-lost").control_plane().idp();
    let bed = bed.openbao().start().await.expect("testbed");
    let scene = Scene::over(bed).await;
    provisioned(server(&scene), &[]);
    scene.run(&[]);
    scene.until_open().await;
    let (door, device) = (scene.door(), Device::new());
    let token = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&device.ask(&door, &token).await));
    scene.approve(&device).await;
    scene.approval(&device).await;
    scene.stop();
    let known = json!({"status": {"allowedLabels": {"site": ["lyon"]}}});
    let written = scene
        .enrolments()
        .patch_status(
            device.id.as_str(),
            &PatchParams::default(),
            &Patch::Merge(&known),
        )
        .await;
    written.expect("written");
    assert_eq!(labels_of(&scene, "robot-7").await, None);

    run(&scene);
    let lyon = BTreeMap::from([("site".to_owned(), BTreeSet::from(["lyon".to_owned()]))]);
    let told = || async { labels_of(&scene, "robot-7").await == Some(Some(lyon.clone())) };
    scene.until("told again", told).await;
}

/// A record that was deleted is a decision; one that was lost is none.
#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_deleted_in_the_store_is_not_told_again() {
    let bed = Testbed::builder("denial-deleted").openbao();
    let bed = bed.start().await.expect("testbed");
    let server = bed.openbao().expect("openbao");
    provisioned(server, &[]);
    let session = session(server).await;
    let device: DeviceId = "robot-7".parse().expect("an id");
    let lyon = BTreeMap::from([("site".to_owned(), BTreeSet::from(["lyon".to_owned()]))]);
    let told = remember(&session, &device, &Some(lyon.clone())).await;
    assert!(told.expect("asked"), "nobody had written it");
    let again = remember(&session, &device, &None).await;
    assert!(!again.expect("asked"), "it is there");
    let labels = allowed_labels(&session, &device).await;
    assert_eq!(labels.expect("there"), Some(lyon));

    delete(server, "robot-7");
    let told = remember(&session, &device, &None).await;
    assert!(!told.expect("asked"), "somebody deleted it");
    let labels = allowed_labels(&session, &device).await;
    assert!(matches!(labels, Err(DenialError::Missing(_))), "{labels:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rejected_device_does_not_shut_out_the_one_whose_name_it_wanted() {
    let scene = scene("denial-names").await;
    let (door, good, curious) = (scene.door(), Device::new(), Device::new());
    let token = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&good.ask(&door, &token).await));
    scene.approve(&good).await;
    let told = scene.approval(&good).await;
    // Forgotten, not denied: it goes on.
    let api = scene.enrolments();
    let params = kube::api::DeleteParams::default();
    api.delete(good.id.as_str(), &params)
        .await
        .expect("deleted");
    let token = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&curious.ask(&door, &token).await));
    scene
        .decide(curious.id.as_str(), Decision::Denied, "who?")
        .await;
    let done = || async {
        let found = api.get(curious.id.as_str()).await.expect("there");
        let conditions = found.status.map(|s| s.conditions).unwrap_or_default();
        conditions
            .iter()
            .any(|c| c.type_ == "Denied" && c.status == "True")
    };
    scene.until("done", done).await;
    assert_eq!(shut_out(&scene, "robot-7").await, None);
    assert_eq!(scene.user_state(&told.user_id), "USER_STATE_ACTIVE");
    assert_eq!(scene.keys(&told.user_id), [told.key_id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_policy_store_is_away_tokens_end_at_once_and_the_rest_follows() {
    let scene = scene("denial-away").await;
    let (door, device) = (scene.door(), Device::new());
    let token = scene.token(&["--device-id", "robot-7"]);
    assert!(is_pending(&device.ask(&door, &token).await));
    scene.approve(&device).await;
    let told = scene.approval(&device).await;
    server(&scene).stop().await.expect("stopped");
    scene
        .decide(device.id.as_str(), Decision::Denied, "stolen")
        .await;
    let said = || async {
        let found = scene.enrolments().get(device.id.as_str()).await;
        let status = found.expect("there").status;
        let conditions = status.map(|s| s.conditions).unwrap_or_default();
        conditions.iter().any(|c| c.reason == "PolicyStoreFailed")
    };
    scene.until("said", said).await;
    assert_eq!(scene.user_state(&told.user_id), "USER_STATE_INACTIVE");
    server(&scene).start().await.expect("started");
    let written = || async { shut_out(&scene, "robot-7").await.is_some() };
    scene.until("written", written).await;
}
