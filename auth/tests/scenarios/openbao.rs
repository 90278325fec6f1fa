//! The whole chain with OpenBao: what is decided there reaches the connections.

use std::time::{Duration, Instant};

use fleet_auth::bao::denials::{allow, denials, deny};
use fleet_auth::bao::{BaoLogin, BaoSettings, Session};
use fleet_contracts::DeviceId;
use fleet_testbed::{CalloutOptions, OpenBao, Testbed, wait};
use serde_json::json;

use crate::idp::{ORGANISATION, PROJECT};
use crate::scene::{SOON, Scene, audit};
use crate::vault::{decide, provisioned};

async fn scene(name: &str) -> Scene {
    let scene = Scene::over(Testbed::builder(name).callout().openbao()).await;
    provisioned(server(&scene), &[]);
    scene
}

fn server(scene: &Scene) -> &OpenBao {
    scene.bed.openbao().expect("openbao")
}

/// A replica that has its policies from OpenBao.
fn options(scene: &Scene, name: &str) -> CalloutOptions {
    let (server, login) = (server(scene), server(scene).callout());
    let secret = login.secret_id_file.display().to_string();
    CalloutOptions::replica(name)
        .args(["--oidc-issuer", scene.idp.issuer()])
        .args(["--oidc-audience", PROJECT])
        .args(["--oidc-organisation", ORGANISATION])
        .args(["--bao-address", &server.url()])
        .args(["--bao-ca-file", &server.ca_file().display().to_string()])
        .args(["--bao-approle-id", &login.role_id])
        .args(["--bao-approle-secret-file", &secret])
}

/// As the enrolment service.
async fn enrolment(scene: &Scene) -> Session {
    // One for the process; another test may have been first.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (server, login) = (server(scene), server(scene).enrol());
    let settings = BaoSettings {
        address: server.url(),
        ca_file: Some(server.ca_file()),
        login: BaoLogin::AppRole {
            role_id: login.role_id,
            secret_id_file: login.secret_id_file,
        },
    };
    Session::open_with(&settings, SOON)
        .await
        .expect("logged in")
}

fn device(name: &str) -> DeviceId {
    name.parse().expect("valid")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_denied_in_openbao_is_thrown_out_although_its_policy_is_still_fresh() {
    let scene = scene("callout-bao").await;
    let session = enrolment(&scene).await;
    let (lost, token) = (device("dev-lost"), scene.token("dev-lost"));
    allow(&session, &device("dev-1")).await.expect("allowed");
    decide(server(&scene), "dev-lost", &json!({"maxPayload": 1024}));
    // What was read about a device counts for an hour.
    let patient = |name| options(&scene, name).args(["--policy-ttl", "3600"]);
    let first = scene.callout(patient("first")).await;
    let second = scene.callout(patient("second")).await;
    let strange = scene.lets_in("dev-2", &scene.token("dev-2")).await;
    assert!(!strange, "nothing was decided about it");
    let mut held = scene.held("dev-lost", &token).await;
    let mut other = scene.held("dev-1", &scene.token("dev-1")).await;

    let denied = Instant::now();
    deny(&session, &lost, "stolen").await.expect("denied");
    assert!(held.ends(SOON).await, "{}", first.log());
    let refused = || async { !scene.lets_in("dev-lost", &token).await };
    assert!(wait::until(SOON, refused).await, "{}", second.log());
    let took = denied.elapsed();
    eprintln!("denied in OpenBao, disconnected and refused within {took:?}");
    assert!(took < Duration::from_secs(5), "{took:?}");
    let lines = [audit(&first, "dev-lost"), audit(&second, "dev-lost")].concat();
    let said = lines.iter().any(|line| line.contains("DeviceDenied"));
    assert!(said, "{lines:?}");
    assert!(other.answers().await, "another device stays connected");
    // It may be said twice, and the rest of the record is as it was.
    deny(&session, &lost, "again").await.expect("denied");
    allow(&session, &lost).await.expect("allowed");
    let back = || async { scene.lets_in("dev-lost", &token).await };
    assert!(wait::until(SOON, back).await, "{}", first.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn denials_of_two_services_at_once_are_both_kept_and_outlive_openbao() {
    let scene = scene("callout-denials").await;
    let (one, two) = (enrolment(&scene).await, enrolment(&scene).await);
    let names: Vec<DeviceId> = (0..6).map(|n| device(&format!("dev-{n}"))).collect();
    let (half, rest) = names.split_at(3);
    let all = async |session: &Session, devices: &[DeviceId]| {
        for device in devices {
            deny(session, device, "lost").await.expect("denied");
        }
    };
    tokio::join!(all(&one, half), all(&two, rest));
    let callout = scene.callout(options(&scene, "callout")).await;
    for name in &names {
        let token = scene.token(name.as_ref());
        assert!(!scene.lets_in(name.as_ref(), &token).await, "{name}");
        let lines = audit(&callout, name.as_ref());
        assert!(lines[0].contains("DeviceDenied"), "{lines:?}");
    }

    // While OpenBao is away, what was read stays in force.
    server(&scene).stop().await.expect("stopped");
    let away = || async {
        callout
            .log()
            .contains("list of denied devices cannot be read")
    };
    assert!(wait::until(SOON, away).await, "{}", callout.log());
    assert!(!scene.lets_in("dev-0", &scene.token("dev-0")).await);
    let lines = audit(&callout, "dev-0");
    assert!(
        lines.iter().all(|line| line.contains("DeviceDenied")),
        "{lines:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clone_is_denied_in_openbao_until_somebody_has_looked() {
    let scene = scene("callout-bao-clone").await;
    let session = enrolment(&scene).await;
    let cloned = device("dev-1");
    allow(&session, &cloned).await.expect("allowed");
    let options = options(&scene, "callout").args(["--on-clone", "deny"]);
    let callout = scene.callout(options).await;
    let tokens = [scene.token("dev-1"), scene.token("dev-1")];
    let one = scene.device("dev-1", &tokens[0]).await;
    let two = scene.device("dev-1", &tokens[1]).await;
    let written = || async {
        let list = denials(&session).await.expect("read");
        list.devices.contains_key(&cloned)
    };
    assert!(wait::until(SOON, written).await, "{}", callout.log());
    drop((one, two));

    // A replica that saw nothing of it knows.
    callout.kill().await.expect("killed");
    callout.start_again().expect("started");
    let refused = || async {
        let let_in = scene.lets_in("after", &tokens[0]).await;
        assert!(!let_in, "a clone was let in");
        let lines = audit(&callout, "after");
        lines.iter().any(|line| line.contains("DeviceDenied"))
    };
    assert!(wait::until(SOON, refused).await, "{}", callout.log());
    allow(&session, &cloned).await.expect("allowed");
    let back = || async { scene.lets_in("dev-1", &tokens[0]).await };
    assert!(wait::until(SOON, back).await, "{}", callout.log());
}
