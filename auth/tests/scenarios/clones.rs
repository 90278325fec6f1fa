//! One identity in two places, and what only looks like it.

use fleet_testbed::wait;

use crate::scene::{SOON, Scene, audit, page};

/// Lines of the audit log with this message.
fn lines(log: &str, message: &str) -> usize {
    let wanted = format!(" audit: {message} ");
    log.lines().filter(|line| line.contains(&wanted)).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_comes_back_replaces_its_dead_connection_and_is_no_clone() {
    let scene = Scene::start("callout-return").await;
    let first = scene.callout(scene.options("first")).await;
    let second = scene.callout(scene.options("second")).await;
    let mut other = scene.held("dev-2", &scene.token("dev-2")).await;
    // Its network breaks again and again: nobody closes what it leaves behind.
    let mut left = scene.held("dev-1", &scene.token("dev-1")).await;
    for login in 0..6 {
        // Every other time it has a new token.
        let token = scene.token("dev-1");
        let next = scene.held("dev-1", &token).await;
        assert!(left.ends(SOON).await, "login {login}: {}", first.log());
        left = next;
        let next = scene.held("dev-1", &token).await;
        assert!(left.ends(SOON).await, "login {login}: {}", second.log());
        left = next;
    }
    assert!(left.answers().await, "the last one stays");
    assert!(other.answers().await, "another device is left alone");
    let log = [first.log(), second.log()].concat();
    assert_eq!(lines(&log, "cloned"), 0, "{log}");
    let counted = || async {
        let log = [first.log(), second.log()].concat();
        lines(&log, "closed") == 12
    };
    assert!(wait::until(SOON, counted).await, "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_was_replaced_before_any_could_be_closed_is_closed_then() {
    let scene = Scene::start("callout-late").await;
    let seed = scene.bed.nats().expect("a bus").enforcer_seed();
    let away = seed.with_extension("away");
    std::fs::rename(&seed, &away).expect("moved");
    let callout = scene.callout(scene.options("callout")).await;
    let token = scene.token("dev-1");
    let mut dead = scene.held("dev-1", &token).await;
    let _new = scene.held("dev-1", &token).await;
    std::fs::rename(&away, &seed).expect("moved back");
    assert!(dead.ends(SOON).await, "{}", callout.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_holders_of_one_identity_are_found_by_all_replicas_and_said_once() {
    let scene = Scene::start("callout-clones").await;
    let first = scene.callout(scene.options("first")).await;
    let second = scene.callout(scene.options("second")).await;
    // Each comes back whenever it is thrown out, as agents do.
    let one = scene.device("dev-1", &scene.token("dev-1")).await;
    let two = scene.device("dev-1", &scene.token("dev-1")).await;
    let found = || async { lines(&[first.log(), second.log()].concat(), "cloned") > 0 };
    assert!(wait::until(SOON, found).await, "{}", first.log());
    drop((one, two));
    let log = [first.log(), second.log()].concat();
    let line = log.lines().find(|line| line.contains(" audit: cloned "));
    let line = line.expect("a line");
    for part in [
        "reason=\"Cloned\"",
        "action=\"alert\"",
        "device=\"dev-1\"",
        "source=\"1",
    ] {
        assert!(line.contains(part), "{part}: {line}");
    }
    let pages = [
        page(&first, "/metrics").await,
        page(&second, "/metrics").await,
    ];
    let said = "fleet_auth_clones_total{action=\"alert\"}";
    assert!(pages.concat().contains(said), "{pages:?}");
    // It is only said: the device may still log in.
    let token = scene.token("dev-1");
    let let_in = || async { scene.lets_in("dev-1", &token).await };
    assert!(wait::until(SOON, let_in).await, "{}", first.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_policy_both_holders_of_one_identity_are_shut_out_by_all_replicas() {
    let scene = Scene::start("callout-denied-clones").await;
    scene.decide(r#"{"default": {}, "devices": {"dev-1": {"onClone": "deny"}}}"#);
    let first = scene.callout(scene.options("first")).await;
    let second = scene.callout(scene.options("second")).await;
    let mut other = scene.held("dev-2", &scene.token("dev-2")).await;
    let tokens = [scene.token("dev-1"), scene.token("dev-1")];
    let one = scene.device("dev-1", &tokens[0]).await;
    let two = scene.device("dev-1", &tokens[1]).await;
    let refused = |replica| async move {
        let lines = audit(replica, "dev-1");
        lines.iter().any(|line| line.contains("DeviceDenied"))
    };
    for replica in [&first, &second] {
        assert!(
            wait::until(SOON, || refused(replica)).await,
            "{}",
            replica.log()
        );
    }
    drop((one, two));
    for token in &tokens {
        assert!(!scene.lets_in("dev-1", token).await);
    }
    assert!(other.answers().await, "another device is left alone");
}
