//! Parts that are away, and come back.

use std::time::{Duration, Instant};

use fleet_testbed::wait;
use futures::future::join_all;

use crate::idp::{Idp, Key, now};
use crate::scene::{EVERYBODY, Held, SOON, Scene, audit, operator, page};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_callout_the_platform_works_and_devices_wait() {
    let scene = Scene::start("callout-away").await;
    let client = operator(&scene).await;
    client.flush().await.expect("the platform works");
    let token = scene.token("dev-1");
    assert!(!scene.lets_in("dev-1", &token).await, "nobody asked");
    let callout = scene.callout(scene.options("callout")).await;
    let device = scene.device("dev-1", &token).await;

    // Who is in stays in.
    callout.kill().await.expect("killed");
    device.client.flush().await.expect("still connected");
    operator(&scene).await.flush().await.expect("as before");
    callout.start_again().expect("started");
    let back = || async { scene.lets_in("dev-1", &token).await };
    assert!(wait::until(SOON, back).await, "{}", callout.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_hangs_keeps_nobody_out_who_tries_again_and_decides_nothing_late() {
    let scene = Scene::start("callout-hangs").await;
    let hung = scene.callout(scene.options("hung")).await;
    let _other = scene.callout(scene.options("other")).await;
    hung.service().freeze().await.expect("frozen");
    // The bus does not know yet, and goes on asking it. At some point one is unlucky.
    let start = Instant::now();
    let mut unlucky = None;
    for number in 0.. {
        let name = format!("dev-{number}");
        let token = scene.token(&name);
        if !scene.lets_in(&name, &token).await {
            unlucky = Some((name, token));
            break;
        }
        assert!(
            start.elapsed() < SOON,
            "nobody was ever asked of the hung one"
        );
    }
    let (name, token) = unlucky.expect("somebody");
    // By the other, sooner or later.
    let address = scene.bed.nats().expect("a bus").address();
    let mut held = None;
    while held.is_none() {
        assert!(start.elapsed() < SOON * 2, "kept out");
        held = Held::log_in(address, &name, &token).await;
    }
    let mut held = held.expect("let in");

    // What it was asked then is over. Whatever it makes of that, nobody gets in or is thrown out by it.
    hung.service().thaw().expect("thawed");
    let late = || async { !audit(&hung, &name).is_empty() };
    assert!(wait::until(SOON, late).await, "{}", hung.log());
    assert!(!held.ends(Duration::from_secs(3)).await, "{}", hung.log());
    let fresh = scene.token("dev-last");
    assert!(scene.lets_in("dev-last", &fresh).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nats_comes_back_before_the_callout_and_after_it() {
    let scene = Scene::start("callout-nats").await;
    let callout = scene.callout(scene.options("callout")).await;
    let nats = scene.bed.nats().expect("a bus");
    nats.kill().await.expect("killed");
    let unready = || async {
        page(&callout, "/readyz")
            .await
            .contains("not connected to NATS")
    };
    assert!(wait::until(SOON, unready).await);
    nats.start().await.expect("started");
    let token = scene.token("dev-1");
    let back = || async { scene.lets_in("dev-1", &token).await };
    assert!(wait::until(SOON, back).await, "{}", callout.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn known_keys_serve_while_the_issuer_is_away_and_new_ones_come_with_it() {
    let mut scene = Scene::start("callout-idp").await;
    let options = scene.options("callout").args(["--jwks-ttl", "0.3"]);
    let callout = scene.callout(options).await;
    scene.idp.stop().await;
    let failed = "fleet_auth_jwks_reads_total{outcome=\"IdpUnreachable\"}";
    let stale = || async { page(&callout, "/metrics").await.contains(failed) };
    assert!(wait::until(SOON, stale).await, "{}", callout.log());

    let known = scene.lets_in("dev-1", &scene.token("dev-1")).await;
    assert!(known, "by a key that was read before");
    let ready = page(&callout, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    let rotated = Key::new("key-2");
    let fresh = rotated.token(&scene.idp.claims("dev-2"));
    assert!(!scene.lets_in("dev-2", &fresh).await, "unknown yet");
    let lines = audit(&callout, "dev-2");
    assert!(lines.iter().all(|line| line.contains("KeyUnknown")));

    scene.idp.publish(&[&scene.key, &rotated]);
    scene.idp.start_again().await;
    let known = || async { scene.lets_in("dev-2", &fresh).await };
    assert!(wait::until(SOON, known).await, "{}", callout.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_key_is_read_at_once_and_unknown_ones_cost_one_reading_in_a_while() {
    let scene = Scene::start("callout-rotation").await;
    let callout = scene.callout(scene.options("callout")).await;
    let rotated = Key::new("key-2");
    scene.idp.publish(&[&scene.key, &rotated]);
    let before = scene.idp.reads();
    let names: Vec<String> = (0..20).map(|number| format!("dev-{number}")).collect();
    let logins = names.iter().map(|name| async {
        let token = rotated.token(&scene.idp.claims(name));
        scene.lets_in(name, &token).await
    });
    let outcomes = join_all(logins).await;
    assert!(outcomes.iter().all(|let_in| *let_in), "{}", callout.log());
    assert_eq!(scene.idp.reads(), before + 1, "one reading for all of them");
    callout.stop().await.expect("stopped");

    let options = scene
        .options("patient")
        .args(["--jwks-min-interval", "3600"]);
    let patient = scene.callout(options).await;
    let before = scene.idp.reads();
    let stranger = Key::new("key-of-another");
    for number in 0..5 {
        let token = stranger.token(&scene.idp.claims("dev-1"));
        let name = format!("stranger-{number}");
        assert!(!scene.lets_in(&name, &token).await);
    }
    assert_eq!(scene.idp.reads(), before + 1, "{}", patient.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_keys_a_replica_is_not_ready_and_says_why() {
    let mut scene = Scene::start("callout-keyless").await;
    scene.idp.stop().await;
    scene.decide(EVERYBODY);
    let callout = scene.bed.start_callout(scene.options("callout"));
    let callout = callout.expect("started");
    let why = || async {
        let page = page(&callout, "/readyz").await;
        page.starts_with("HTTP/1.1 503")
            && page.ends_with(
                "\r\n\r\nKeysUnavailable: the identity provider's keys were not read yet\n",
            )
    };
    assert!(wait::until(SOON, why).await, "{}", callout.log());
    assert!(!scene.lets_in("dev-1", &scene.token("dev-1")).await);
    let lines = audit(&callout, "dev-1");
    assert!(
        lines.iter().any(|line| line.contains("KeysUnavailable")),
        "{lines:?}"
    );
    scene.idp.start_again().await;
    let token = scene.token("dev-1");
    let known = || async { scene.lets_in("dev-1", &token).await };
    assert!(wait::until(SOON, known).await, "{}", callout.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_asked_for_under_the_outer_name_where_the_way_is_another() {
    let scene = Scene::start("callout-host").await;
    let url = format!("http://{}/oauth/v2/keys", scene.idp.address);
    let options = scene.options("callout");
    let options = options.args(["--jwks-url", &url, "--jwks-host", "id.example.com"]);
    let _callout = scene.callout(options).await;
    assert!(
        scene
            .idp
            .hosts()
            .iter()
            .all(|host| host == "id.example.com")
    );
    assert!(scene.lets_in("dev-1", &scene.token("dev-1")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_whose_own_address_leads_nowhere_is_reached_by_that_of_a_service() {
    let mut scene = Scene::start("callout-service").await;
    scene.idp = Idp::start_as(Some("https://id.example.com"), &[&scene.key]).await;
    let url = format!("http://{}/", scene.idp.address);
    let options = scene.options("callout").args(["--idp-url", &url]);
    let _callout = scene.callout(options).await;
    let hosts = scene.idp.hosts();
    assert!(
        hosts.iter().all(|host| host == "id.example.com"),
        "{hosts:?}"
    );
    assert!(scene.lets_in("dev-1", &scene.token("dev-1")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_outlive_a_restart_while_the_issuer_is_away_and_a_foreign_file_is_worth_nothing() {
    let mut scene = Scene::start("callout-kept").await;
    let file = scene.bed.folder().join("keys.json");
    let path = file.display().to_string();
    let options = |scene: &Scene, name| scene.options(name).args(["--keys-cache-file", &path]);
    let callout = scene.callout(options(&scene, "callout")).await;
    scene.idp.stop().await;
    callout.kill().await.expect("killed");
    callout.start_again().expect("started");
    let token = scene.token("dev-1");
    let let_in = || async { scene.lets_in("dev-1", &token).await };
    assert!(wait::until(SOON, let_in).await, "{}", callout.log());
    let ready = page(&callout, "/readyz").await;
    assert!(ready.starts_with("HTTP/1.1 200"), "{ready}");
    callout.stop().await.expect("stopped");

    let good = std::fs::read_to_string(&file).expect("a file");
    let mut kept: serde_json::Value = serde_json::from_str(&good).expect("JSON");
    kept["issuer"] = "https://evil.example".into();
    let foreign = kept.to_string();
    kept["issuer"] = scene.idp.issuer().into();
    kept["read"] = (now() - 86_401).into();
    let old = kept.to_string();
    let exposed = |mode| {
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(&file, permissions).expect("set");
    };
    for (name, content, mode, why) in [
        ("foreign", foreign.as_str(), 0o600, "they are of"),
        ("old", old.as_str(), 0o600, "s ago"),
        ("cut", &good[..good.len() / 2], 0o600, "holds no kept keys"),
        ("exposed", good.as_str(), 0o666, "others may write it"),
    ] {
        std::fs::write(&file, content).expect("written");
        exposed(mode);
        let callout = scene.bed.start_callout(options(&scene, name));
        let callout = callout.expect("started");
        let said = || async { callout.log().contains(why) };
        assert!(wait::until(SOON, said).await, "{name}: {}", callout.log());
        let ready = || async { !page(&callout, "/readyz").await.is_empty() };
        assert!(wait::until(SOON, ready).await, "{name}: {}", callout.log());
        let page = page(&callout, "/readyz").await;
        assert!(page.contains("keys were not read yet"), "{name}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_could_not_be_read_again_for_too_long_verify_nothing() {
    let mut scene = Scene::start("callout-stale").await;
    let options = scene.options("callout");
    let options = options.args(["--jwks-ttl", "0.3", "--jwks-max-age", "2"]);
    let callout = scene.callout(options).await;
    let token = scene.token("dev-1");
    assert!(scene.lets_in("dev-1", &token).await);
    scene.idp.stop().await;
    // Not even a token that was verified before.
    let refused = || async {
        let let_in = scene.lets_in("dev-1", &token).await;
        let lines = audit(&callout, "dev-1");
        !let_in && lines.iter().any(|line| line.contains("KeysUnavailable"))
    };
    assert!(wait::until(SOON, refused).await, "{}", callout.log());
    let lines = audit(&callout, "dev-1");
    let why = "keys were not read for too long";
    assert!(lines.iter().any(|line| line.contains(why)), "{lines:?}");
    scene.idp.start_again().await;
    let back = || async { scene.lets_in("dev-1", &token).await };
    assert!(wait::until(SOON, back).await, "{}", callout.log());
}
