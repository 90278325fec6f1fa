//! Nothing is left: after a drop, a panic, Ctrl-C, or a crash.

use std::panic::AssertUnwindSafe;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::common::{SOON, Traces, assert_serves, run_web};
use fleet_testbed::{Overview, Testbed, clean_remains, wait};
use futures::FutureExt;
use rustix::process::{Pid, Signal, kill_process};

/// For a platform with a node, beside others that start.
const START_TIME: Duration = Duration::from_secs(180);
const WITH_DEVICE: [&str; 4] = ["--profile", "bus", "--devices", "1"];

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
    let (mut owner, bed) = up("crash", &WITH_DEVICE).await;
    let traces = Traces::seen(&bed);
    owner.kill();
    assert_eq!(bed.owner(), None);
    assert!(!bed.processes().is_empty(), "its servers survived it");

    clean_remains().unwrap();
    // A neighbour that starts may have begun with it.
    let gone = || async { !bed.folder().exists() };
    assert!(wait::until(SOON, gone).await, "the folder is left");
    traces.assert_gone();
}

#[tokio::test(flavor = "multi_thread")]
async fn ctrl_c_stops_everything() {
    let (mut owner, bed) = up("interrupt", &WITH_DEVICE).await;
    let traces = Traces::seen(&bed);
    let pid = Pid::from_raw(i32::try_from(owner.0.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    assert!(owner.0.wait().unwrap().success());
    traces.assert_gone();
}

/// Another process with a platform; gone with the test, whatever becomes of that.
pub(crate) struct Owner(Child);

impl Owner {
    /// Kills it, so that it cannot clean up.
    pub(crate) fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A platform of another process, once it is ready.
pub(crate) async fn up(name: &str, args: &[&str]) -> (Owner, Overview) {
    let child = Command::new(env!("CARGO_BIN_EXE_fleet-testbed"))
        .args(["up", "--name", name])
        .args(args)
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
    assert!(
        wait::until(START_TIME, ready).await,
        "{name} did not come up"
    );
    let bed = mine().unwrap();
    (owner, bed)
}
