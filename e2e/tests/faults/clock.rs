//! Wall clocks that jump, and one that says 1970. The steady clock goes on, as it does on a machine whose
//! date somebody sets.

use std::time::Instant;

use fleet_contracts::Manifest;
use fleet_contracts::kv::Bucket;
use fleet_testbed::{OperatorOptions, Shows, Testbed, WallClock};

use jiff::{SignedDuration, Timestamp};

use crate::fleet::Fleet;
use crate::gate;
use crate::scene::{EVERYBODY, Held, Scene, app};
use crate::writes::Writes;

const DAY: i64 = 86_400;
const DEVICES: usize = 60;
const DEPLOYMENTS: usize = 3;
/// Where a fan-out is half done.
const HALF: usize = DEVICES * (DEPLOYMENTS + 1) / 2;

fn clock(bed: &Testbed, scenario: &str) -> Option<WallClock> {
    let clock = WallClock::create(bed.folder()).expect("a clock");
    if clock.is_none() {
        gate::skipped(scenario, "libfaketime is not installed");
    }
    clock
}

/// So many seconds from now, as logs have it.
fn date(off: i64) -> String {
    let then = Timestamp::now() + SignedDuration::from_secs(off);
    then.strftime("%Y-%m-%d").to_string()
}

/// The latest generation that was written: the wall clock of the operator, or one more than before.
async fn generation(scene: &Scene) -> Timestamp {
    let keys = (0..DEVICES).map(|number| format!("dev-{number:03}._manifest"));
    let mut latest = 0;
    for key in keys {
        let stored = scene.bus.get(Bucket::DesiredState, &key).await;
        let stored = stored.expect("read").expect("a manifest");
        let manifest: Manifest = serde_json::from_slice(&stored.value).expect("JSON");
        latest = latest.max(manifest.generation.0);
    }
    let millis = i64::try_from(latest).expect("no such year");
    Timestamp::from_millisecond(millis).expect("a time")
}

/// In the middle of a fan-out each time. The lease runs by the steady clock, so nobody stands down; and
/// generations only rise, so devices take what is written in the past.
#[tokio::test(flavor = "multi_thread")]
async fn an_operator_whose_clock_jumps_leads_on_and_is_obeyed() {
    let scene = Scene::open("fault-clock", DEVICES).await;
    let Some(clock) = clock(&scene.bed, "an operator whose clock jumps") else {
        return;
    };
    let operator = scene.operator_by(OperatorOptions {
        env: clock.env().into(),
        ..OperatorOptions::replica("operator")
    });
    scene.deploy_all(DEPLOYMENTS, "v0").await;
    scene.converged(Instant::now(), &[&operator]).await;
    let mut converged = Vec::new();
    for (number, off) in [DAY, 0, -DAY, 30 * DAY, 0].into_iter().enumerate() {
        let writes = Writes::count(&scene.bus).await;
        scene
            .deploy_all(DEPLOYMENTS, &format!("jump-{number}"))
            .await;
        writes.reach(&scene, HALF).await;
        clock.set(Shows::Off(off)).expect("set");
        // The rest of the fan-out may have been written by now; this is not.
        let image = format!("app:after-{number}");
        scene.deploy(&app(0), EVERYBODY, &image).await;
        let jumped = Instant::now();
        converged.push(scene.converged(jumped, &[&operator]).await);
        let ahead = generation(&scene).await.duration_since(Timestamp::now());
        let jumped = ahead >= SignedDuration::from_secs(off) - SignedDuration::from_mins(5);
        assert!(jumped, "its clock is not {off} s ahead, but {ahead}");
    }
    let log = operator.log();
    assert!(!log.contains("not leading any more"), "{log}");
    scene.held(&Held {
        fault: "clock of the operator jumps",
        converged,
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_whose_clock_jumps_starts_nothing_twice() {
    let fleet = Fleet::empty(Testbed::builder("fault-jump"), &["dev-1"]).await;
    let Some(clock) = clock(&fleet.scene.bed, "a device whose clock jumps") else {
        return;
    };
    let device = fleet.device("dev-1");
    device.set_agent_env(clock.env());
    fleet.stock("dev-1").await;
    device.start_agent().await.expect("started");
    fleet.ask("v1").await;
    fleet.shows("dev-1", "v1").await;
    fleet.counts([1, 1, 0, 0]).await;
    let mut converged = Vec::new();
    for (off, version) in [(3_650 * DAY, "v2"), (-3_650 * DAY, "v1"), (0, "v2")] {
        let before = fleet.starts("dev-1").await;
        clock.set(Shows::Off(off)).expect("set");
        fleet.ask(version).await;
        converged.push(fleet.shows("dev-1", version).await);
        fleet.counts([1, 1, 0, 0]).await;
        assert_eq!(fleet.starts("dev-1").await, before + 1, "at {off} s");
    }
    let log = device.agent_log();
    assert!(
        log.contains(&date(3_650 * DAY)),
        "its clock never jumped: {log}"
    );
    fleet.held("clock of a device jumps", converged);
}

/// It never learns the date: no battery, no time server. Its ledger, its manifests and its reports have to
/// do without.
#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_lives_in_1970_runs_what_it_is_asked_to() {
    let fleet = Fleet::empty(Testbed::builder("fault-1970"), &["dev-1"]).await;
    let Some(clock) = clock(&fleet.scene.bed, "a device that lives in 1970") else {
        return;
    };
    let device = fleet.device("dev-1");
    clock.set(Shows::Epoch).expect("set");
    device.set_agent_env(clock.env());
    fleet.stock("dev-1").await;
    device.start_agent().await.expect("started");
    fleet.ask("v1").await;
    let first = fleet.shows("dev-1", "v1").await;
    fleet.counts([1, 1, 0, 0]).await;
    fleet.ask("v2").await;
    let second = fleet.shows("dev-1", "v2").await;
    fleet.counts([1, 1, 0, 0]).await;

    // And again from the beginning of time, without a bus to ask.
    let bus = fleet.scene.bed.nats().expect("a bus");
    bus.kill().await.expect("killed");
    device.reboot().await.expect("off and on");
    let third = fleet.shows("dev-1", "v2").await;
    bus.start().await.expect("started");
    fleet.counts([1, 1, 0, 0]).await;
    let log = device.agent_log();
    assert!(log.contains("1970-01-01T"), "it knows the date: {log}");
    fleet.held("a device lives in 1970", vec![first, second, third]);
}
