//! Nothing is left: after a drop, a panic, Ctrl-C, or a crash.

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::common::{SOON, Traces, assert_serves, run_web};
use fleet_testbed::{Overview, Testbed, clean_remains, wait};
use futures::FutureExt;
use rustix::process::{Pid, Signal, kill_process};

#[tokio::test(flavor = "multi_thread")]
async fn a_drop_stops_everything_and_the_neighbour_does_not_notice() {
    let neighbour = Testbed::builder("side")
        .nats()
        .devices(["dev-1"])
        .start()
        .await
        .unwrap();
    let device = neighbour.device("dev-1").unwrap();
    run_web(&device, "side").await;

    let bed = Testbed::builder("drop")
        .control_plane()
        .nats()
        .devices(["dev-1"])
        .start()
        .await
        .unwrap();
    run_web(&bed.device("dev-1").unwrap(), "drop").await;
    assert_serves(&bed.device("dev-1").unwrap(), "drop").await;
    let traces = Traces::of(&bed);
    drop(bed);
    traces.assert_gone();

    assert_serves(&device, "side").await;
    assert!(neighbour.nats().unwrap().operator_client().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_stops_everything_and_keeps_the_logs() {
    let mut folder = None;
    let scenario = async {
        let bed = Testbed::builder("panic").nats().start().await.unwrap();
        folder = Some(bed.folder().to_owned());
        panic!("as a failed assertion does");
    };
    assert!(AssertUnwindSafe(scenario).catch_unwind().await.is_err());
    let folder = folder.unwrap();
    assert!(folder.join("logs").join("nats-server.log").is_file());
    assert!(!folder.join("nats").exists());
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_is_cleaned_by_the_next() {
    let (mut owner, bed) = up("crash").await;
    let (traces, interfaces) = (Traces::seen(&bed), interfaces(&bed));
    owner.0.kill().unwrap();
    owner.0.wait().unwrap();
    assert_eq!(bed.owner(), None);
    assert!(!bed.processes().is_empty(), "its servers survived it");

    clean_remains().unwrap();
    traces.assert_gone();
    for name in interfaces {
        assert!(
            !Path::new("/sys/class/net").join(&name).exists(),
            "interface {name} is left"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_everything() {
    let (mut owner, bed) = up("interrupt").await;
    let traces = Traces::seen(&bed);
    let pid = Pid::from_raw(i32::try_from(owner.0.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(owner.0.wait().unwrap().success());
    traces.assert_gone();
}

/// Another process with a platform; gone with the test, whatever becomes of that.
struct Owner(Child);

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A platform of another process, once it is ready.
async fn up(name: &str) -> (Owner, Overview) {
    let child = Command::new(env!("CARGO_BIN_EXE_fleet-testbed"))
        .args(["up", "--profile", "bus", "--devices", "1", "--name", name])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let owner = Owner(child);
    let mine = || {
        Overview::all()
            .into_iter()
            .find(|bed| bed.owner() == Some(owner.0.id()))
    };
    let ready = || async { mine().is_some_and(|bed| !bed.env().is_empty()) };
    assert!(wait::until(SOON, ready).await, "{name} did not come up");
    let bed = mine().unwrap();
    (owner, bed)
}

/// The names of the interfaces that a testbed recorded.
fn interfaces(bed: &Overview) -> Vec<String> {
    let journal = std::fs::read_to_string(bed.folder().join("journal")).unwrap_or_default();
    let lines = journal
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    let of = |entry: serde_json::Value| {
        (entry["kind"] == "interface").then(|| entry["name"].as_str().unwrap_or("?").to_owned())
    };
    lines.filter_map(of).collect()
}
