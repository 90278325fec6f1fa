//! Devices that are shut out while they are connected.

use std::time::{Duration, Instant};

use fleet_bus::async_nats::ConnectOptions;
use fleet_testbed::wait;
use serde_json::json;

use crate::scene::{DeviceClient, SOON, Scene, audit, page};

/// What users are promised between a denial and the end of the last connection.
const PROMISED: Duration = Duration::from_secs(5);

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_denied_is_thrown_out_within_five_seconds_and_others_stay() {
    let scene = Scene::start("callout-kick").await;
    let first = scene.callout(scene.options("first")).await;
    let second = scene.callout(scene.options("second")).await;
    let mut lost = scene.held("dev-lost", &scene.token("dev-lost")).await;
    let mut other = scene.held("dev-1", &scene.token("dev-1")).await;

    let denied = Instant::now();
    scene.decide(r#"{"default": {}, "devices": {"dev-lost": {"denied": true}}}"#);
    assert!(lost.ends(SOON).await, "{}", first.log());
    let took = denied.elapsed();
    eprintln!("denied and disconnected within {took:?}");
    assert!(took < PROMISED, "{took:?}");
    // The replicas look one after the other; who is let in meanwhile is thrown out again.
    let token = scene.token("dev-lost");
    let refused = || async { !scene.lets_in("dev-lost", &token).await };
    assert!(wait::until(SOON, refused).await, "{}", first.log());
    let took = denied.elapsed();
    assert!(took < PROMISED, "{took:?}");
    assert!(other.answers().await, "another device stays connected");
    let closed = || async {
        let lines = [first.log(), second.log()].concat();
        lines.contains("reason=\"Denied\" device=\"dev-lost\"")
    };
    assert!(wait::until(SOON, closed).await, "{}", first.log());
    let counted = "fleet_auth_connections_closed_total{reason=\"Denied\"}";
    let counts = [
        page(&first, "/metrics").await,
        page(&second, "/metrics").await,
    ];
    assert!(counts.concat().contains(counted), "{counts:?}");

    // Back in favour: no trace of it is left.
    scene.decide(r#"{"default": {}}"#);
    let back = || async { scene.lets_in("dev-lost", &token).await };
    assert!(wait::until(SOON, back).await, "{}", first.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_denied_while_no_callout_ran_is_thrown_out_when_one_starts() {
    let scene = Scene::start("callout-late").await;
    let callout = scene.callout(scene.options("callout")).await;
    let mut lost = scene.held("dev-lost", &scene.token("dev-lost")).await;
    callout.kill().await.expect("killed");
    scene.decide(r#"{"default": {}, "devices": {"dev-lost": {"enabled": false}}}"#);
    assert!(lost.answers().await, "nobody closed it");
    callout.start_again().expect("started");
    assert!(lost.ends(SOON).await, "{}", callout.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_user_that_closes_connections_can_do_nothing_else_in_the_system_account() {
    let scene = Scene::start("callout-enforcer").await;
    let nats = scene.bed.nats().expect("a bus");
    let seed = std::fs::read_to_string(nats.enforcer_seed()).expect("a seed");
    let options = ConnectOptions::with_nkey(seed.trim().to_owned());
    let options = options.custom_inbox_prefix("_INBOX_enforcer");
    let enforcer = DeviceClient::over(options, &nats.url()).await;
    let client = &enforcer.client;
    let id = client.server_info().server_id;
    let foreign = [
        format!("$SYS.REQ.SERVER.{id}.RELOAD"),
        format!("$SYS.REQ.SERVER.{id}.CONNZ"),
        "$SYS.REQ.SERVER.PING.CONNZ".to_owned(),
        "$SYS.REQ.ACCOUNT.PLATFORM.CONNZ".to_owned(),
        "$SYS.REQ.ACCOUNT.DEVICES.SUBSZ".to_owned(),
        "$SYS.REQ.ACCOUNT.DEVICES.CLAIMS.UPDATE".to_owned(),
        "$SYS.ACCOUNT.DEVICES.CONNECT".to_owned(),
        "_INBOX.of-another".to_owned(),
    ];
    for subject in &foreign {
        let sent = client.publish(subject.clone(), "{}".into()).await;
        sent.expect("sent");
    }
    // Nor does it hear what others say there, or are answered.
    let heard = ["$SYS.>", "$SYS.ACCOUNT.>", "_INBOX.>", ">"];
    for subject in heard {
        let _ = client.subscribe(subject).await.expect("sent");
    }
    let refused = || async { enforcer.errors().len() >= foreign.len() + heard.len() };
    let errors = || enforcer.errors();
    assert!(wait::until(SOON, refused).await, "{:?}", errors());
    let violation = |error: &String| error.to_lowercase().contains("permissions violation");
    assert!(errors().iter().all(violation), "{:?}", errors());
    for subject in foreign.iter().map(String::as_str).chain(heard) {
        let named = errors().iter().any(|error| error.contains(subject));
        assert!(named, "{subject}: {:?}", errors());
    }
    // What it is for.
    let query = json!({"auth": true}).to_string();
    let answer = client.request("$SYS.REQ.ACCOUNT.DEVICES.CONNZ", query.into());
    let answer = answer.await.expect("answered").payload;
    assert!(String::from_utf8_lossy(&answer).contains(&id));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_judged_and_who_was_thrown_out_is_told_apart_in_the_audit_log() {
    let scene = Scene::start("callout-audit").await;
    let callout = scene.callout(scene.options("callout")).await;
    let mut lost = scene.held("dev-lost", &scene.token("dev-lost")).await;
    scene.decide(r#"{"devices": {"dev-lost": {"denied": true}}}"#);
    assert!(lost.ends(SOON).await, "{}", callout.log());
    let told = || async { callout.log().contains(" audit: closed ") };
    assert!(wait::until(SOON, told).await, "{}", callout.log());
    let admitted = audit(&callout, "dev-lost");
    let client = admitted[0].split(" client=").nth(1).expect("a number");
    let client = client.split(' ').next().expect("a number");
    let log = callout.log();
    let line = log.lines().find(|line| line.contains(" audit: closed "));
    let line = line.expect("a line");
    assert!(line.contains(&format!(" client={client} ")), "{line}");
}
