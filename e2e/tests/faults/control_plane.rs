//! The API server is away, or has forgotten.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use fleet_e2e::platform::wait_ready;
use fleet_testbed::{Testbed, wait};

use crate::gate;
use crate::scene::{EVERYBODY, Held, PATIENCE, Scene, app};
use crate::truth::Stored;

const DEVICES: usize = 40;
const DEPLOYMENTS: usize = 4;

/// Devices say what they have to say, a new one comes, and even the operator starts again: nobody
/// takes an API server that is away for one that is empty.
#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_away_takes_nothing_from_devices() {
    let scene = Scene::open("fault-api-server", DEVICES).await;
    let operator = scene.operator("operator");
    scene.deploy_all(DEPLOYMENTS, "v1").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let before = Stored::read(&scene.bus).await.expect("read");

    let server = scene.bed.api_server().expect("an API server");
    server.stop().await.expect("stopped");
    let stopped = Instant::now();
    scene.played.announce("dev-900", &[EVERYBODY]);
    scene.played.book().all_say_everything();
    operator.kill().await.expect("killed");
    operator.start().expect("started");
    gate::sit_out(stopped).await;
    assert_eq!(Stored::read(&scene.bus).await.expect("read"), before);

    server.start().await.expect("started");
    let back = Instant::now();
    let converged = scene.converged(back, &[&operator]).await;
    let after = Stored::read(&scene.bus).await.expect("read");
    for (key, sequence) in &before.sequences {
        let now = after.sequences.get(key);
        assert_eq!(now, Some(sequence), "{key} was written again");
    }
    scene.deploy_all(DEPLOYMENTS, "v2").await;
    scene.converged(Instant::now(), &[&operator]).await;
    scene.held(&Held {
        fault: "API server away",
        converged: vec![converged],
    });
}

/// Resource versions and generations are lower than those that everybody has seen: the resources count,
/// as they are now.
#[tokio::test(flavor = "multi_thread")]
async fn an_etcd_restored_from_an_old_snapshot_is_believed() {
    let scene = Scene::open("fault-etcd", DEVICES).await;
    let operator = scene.operator("operator");
    let first = scene.deploy_all(DEPLOYMENTS, "v1").await;
    scene.converged(Instant::now(), &[&operator]).await;
    turn_off(&scene.bed).await;
    let (data, snapshot) = (
        scene.bed.folder().join("etcd"),
        scene.bed.folder().join("etcd-snapshot"),
    );
    copy(&data, &snapshot);
    turn_on(&scene.bed).await;

    // What the snapshot does not know: every image is another one, a Deployment went, two came.
    scene.deploy_all(DEPLOYMENTS, "v2").await;
    for name in ["new-1", "new-2"] {
        scene.deploy(name, EVERYBODY, "new:v1").await;
    }
    scene.delete(&app(0)).await;
    scene.converged(Instant::now(), &[&operator]).await;

    turn_off(&scene.bed).await;
    fs::remove_dir_all(&data).expect("removed");
    copy(&snapshot, &data);
    for (number, revision) in first.into_iter().enumerate() {
        scene.asks(&app(number), revision);
    }
    scene.may_take("new-1");
    scene.may_take("new-2");
    turn_on(&scene.bed).await;
    let converged = scene.converged(Instant::now(), &[&operator]).await;
    wait_ready(&operator).await.expect("ready");
    scene.deploy_all(DEPLOYMENTS, "v3").await;
    scene.converged(Instant::now(), &[&operator]).await;
    scene.held(&Held {
        fault: "etcd restored from an old snapshot",
        converged: vec![converged],
    });
}

async fn turn_off(bed: &Testbed) {
    let server = bed.api_server().expect("an API server");
    server.stop().await.expect("stopped");
    bed.etcd().expect("etcd").stop().await.expect("stopped");
}

async fn turn_on(bed: &Testbed) {
    bed.etcd().expect("etcd").start().expect("started");
    let server = bed.api_server().expect("an API server");
    assert!(
        wait::until(PATIENCE, || async { server.start().await.is_ok() }).await,
        "the API server starts"
    );
}

fn copy(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(status.expect("cp runs").success(), "copied");
}
