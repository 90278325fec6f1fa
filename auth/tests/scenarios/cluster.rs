//! Three servers, as in production: whoever is asked and wherever a device is connected.

use std::time::Instant;

use fleet_testbed::{Nats, Testbed, wait};
use futures::future::join_all;

use crate::scene::{Held, SOON, Scene};

const SERVERS: usize = 3;

async fn scene(name: &str) -> Scene {
    Scene::over(Testbed::builder(name).callout().nats_cluster(SERVERS)).await
}

fn nats(scene: &Scene) -> &Nats {
    scene.bed.nats().expect("a bus")
}

/// A login at each server, once all of them know of the callout.
async fn logins(scene: &Scene, name: &str) -> Vec<Held> {
    let logins = (0..SERVERS).map(|server| async move {
        let (name, token) = (format!("{name}-{server}"), format!("{name}-{server}"));
        let token = scene.token(&token);
        let address = nats(scene).server_address(server);
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            if let Some(held) = Held::log_in(address, &name, &token).await {
                return held;
            }
        }
        panic!("server {server} lets nobody in");
    });
    join_all(logins).await
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_connect_to_any_server_and_one_replica_is_enough() {
    let scene = scene("callout-cluster").await;
    let first = scene.callout(scene.options("first")).await;
    let _second = scene.callout(scene.options("second")).await;
    let mut held = logins(&scene, "dev").await;
    first.kill().await.expect("killed");
    for connection in &mut held {
        assert!(connection.answers().await, "who is in stays in");
    }
    logins(&scene, "late").await;
}

/// A server drops an answer to somebody of whom another server is about to tell it.
#[tokio::test(flavor = "multi_thread")]
async fn no_login_is_lost_between_servers() {
    let scene = scene("callout-cluster-answers").await;
    let callout = scene.callout(scene.options("callout")).await;
    logins(&scene, "ready").await;
    for round in 0..20 {
        let one_each = (0..SERVERS).map(|server| {
            let (scene, callout) = (&scene, &callout);
            async move {
                let name = format!("dev-{server}-{round}");
                let address = nats(scene).server_address(server);
                let held = Held::log_in(address, &name, &scene.token(&name)).await;
                assert!(held.is_some(), "{name} is lost: {}", callout.log());
            }
        });
        join_all(one_each).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_thrown_out_wherever_it_is_connected() {
    let scene = scene("callout-cluster-kick").await;
    let callout = scene.callout(scene.options("callout")).await;
    let mut held = logins(&scene, "dev").await;
    let mut others = logins(&scene, "other").await;
    let denied = Instant::now();
    scene.decide(
        r#"{"default": {}, "devices": {
            "dev-0": {"denied": true}, "dev-1": {"denied": true}, "dev-2": {"denied": true}
        }}"#,
    );
    for connection in &mut held {
        assert!(connection.ends(SOON).await, "{}", callout.log());
    }
    let took = denied.elapsed();
    eprintln!("denied and disconnected on {SERVERS} servers within {took:?}");
    assert!(took.as_secs() < 5, "{took:?}");
    for connection in &mut others {
        assert!(connection.answers().await, "other devices stay");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_moves_to_another_server_leaves_nothing_behind() {
    let scene = scene("callout-cluster-move").await;
    let _first = scene.callout(scene.options("first")).await;
    let second = scene.callout(scene.options("second")).await;
    logins(&scene, "ready").await;
    let token = scene.token("dev-1");
    let mut left: Option<Held> = None;
    for server in [0, 1, 2, 0] {
        let address = nats(&scene).server_address(server);
        let next = Held::log_in(address, "dev-1", &token).await;
        let next = next.expect("let in");
        if let Some(mut left) = left.replace(next) {
            assert!(left.ends(SOON).await, "{}", second.log());
        }
    }
    assert!(left.expect("connected").answers().await, "the last stays");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_callout_goes_on_when_its_server_is_gone() {
    let scene = scene("callout-cluster-server").await;
    let callout = scene.callout(scene.options("callout")).await;
    let mut held = logins(&scene, "dev").await;
    nats(&scene).kill_server(0).await.expect("killed");
    let away = scene.token("dev-away");
    for server in [1, 2] {
        assert!(held[server].answers().await, "who is in stays in");
        let address = nats(&scene).server_address(server);
        let let_in = || async { Held::log_in(address, "dev-away", &away).await.is_some() };
        assert!(wait::until(SOON, let_in).await, "{}", callout.log());
    }
    nats(&scene).start_server(0).await.expect("started");
    logins(&scene, "back").await;
}
