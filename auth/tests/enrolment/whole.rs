//! From nothing to a device on the bus: `fleet-agent enrol`, an approval, a token of its own, a login.

use std::fs;
use std::io::Write as _;
use std::process::{Child, Command, Stdio};

use fleet_api::Decision;
use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_testbed::{CalloutOptions, Testbed};
use kube::api::ListParams;

use crate::scene::Scene;

/// Killed when dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_enrols_is_approved_and_logs_in() {
    let program = match fleet_testbed::program("fleet-agent") {
        Ok(program) => program,
        Err(why) => {
            // Not eprintln!, which the test runner keeps for itself.
            writeln!(
                std::io::stderr(),
                "skipped: enrolment of a real agent: {why}"
            )
            .expect("standard error");
            return;
        }
    };
    let bed = Testbed::builder("enrol-whole")
        .control_plane()
        .idp()
        .callout();
    let scene = Scene::over(bed.start().await.expect("testbed")).await;
    scene.run(&[]);
    scene.until_open().await;
    let nats = scene.bed.nats().expect("nats");
    let bus = Bus::over(nats.operator_client().await.expect("client"));
    let settings = fleet_bus::stream::StreamSettings::default();
    fleet_bus::stream::ensure_all(bus.context(), &settings)
        .await
        .expect("streams");
    let idp = scene.idp();
    let policies = scene.path("policies.json");
    fs::write(&policies, r#"{"default": {}}"#).expect("written");
    let options = CalloutOptions::default()
        .args([
            "--oidc-issuer",
            &idp.issuer(),
            "--oidc-audience",
            idp.project(),
        ])
        .args(["--oidc-organisation", idp.organisation()])
        .args(["--oidc-ca-file".into(), idp.ca_file().display().to_string()])
        .args(["--policy-file".into(), policies.display().to_string()]);
    let callout = scene.bed.start_callout(options).expect("callout");

    let (state, socket) = (scene.path("agent"), scene.path("no-podman.sock"));
    let config = format!("state_dir = {state:?}\n[podman]\nsocket = {socket:?}\n");
    fs::write(scene.path("agent.toml"), config).expect("written");
    fs::create_dir_all(&state).expect("a folder");
    let token = scene.token(&["--device-id", "robot-7"]);
    fs::write(scene.path("token"), token.expose()).expect("written");
    let log = || {
        fs::File::options()
            .create(true)
            .append(true)
            .open(scene.path("agent.log"))
    };
    let agent = |args: &[&str]| {
        let mut command = Command::new(&program);
        command
            .env("FLEET_AGENT_CONFIG", scene.path("agent.toml"))
            .args(args)
            .stdin(Stdio::null())
            .stdout(log().expect("a log"))
            .stderr(log().expect("a log"));
        Agent(command.spawn().expect("started"))
    };
    let (ca, token) = (scene.path("tls").join("ca.crt"), scene.path("token"));
    let (ca, token) = (ca.display().to_string(), token.display().to_string());
    let said = || fs::read_to_string(scene.path("agent.log")).unwrap_or_default();
    let enrolling = agent(&[
        "enrol",
        "--url",
        &scene.url,
        "--ca-file",
        &ca,
        "--token-file",
        &token,
    ]);
    let waits = || async { said().contains("waiting for approval") };
    scene.until("asked", waits).await;
    let asked = scene
        .enrolments()
        .list(&ListParams::default())
        .await
        .expect("a list");
    let name = asked.items[0].metadata.name.clone().expect("a name");
    assert!(
        said().contains(&asked.items[0].spec.fingerprint),
        "people can compare keys"
    );
    scene.decide(&name, Decision::Approved, "").await;
    let enrolled = || async { said().contains("enrolled as robot-7") };
    scene.until("enrolled", enrolled).await;
    drop(enrolling);

    let running = agent(&[]);
    let introduced = || async {
        bus.get(Bucket::DeviceInfo, "robot-7")
            .await
            .is_ok_and(|stored| stored.is_some())
    };
    scene.until("on the bus", introduced).await;
    assert!(callout.log().contains("admitted"));
    drop(running);
}
