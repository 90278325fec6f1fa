//! A device with much to do and little memory.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_contracts::Revision;
use fleet_testbed::{DeviceError, wait};
use serde_json::{Value, json};

use crate::fleet::{Fleet, V1};

/// More than the smallest board has to spare for an agent.
const MEMORY: u64 = 64 * 1024 * 1024;
/// Services of one deployment.
const SERVICES: usize = 5;
/// So many containers drift at once.
const AT_ONCE: usize = 5;
/// For a batch on a machine that compiles at the same time.
const PATIENCE: Duration = Duration::from_secs(120);

/// How much is tried: all of it takes minutes.
struct Extent {
    containers: usize,
    events: usize,
}

impl Extent {
    fn wanted() -> Self {
        if std::env::var("FLEET_FAULTS").is_ok_and(|value| value == "long") {
            return Self {
                containers: 50,
                events: 1_000,
            };
        }
        println!(
            "skipped: 50 containers and 1,000 events: set FLEET_FAULTS=long, or run make faults"
        );
        Self {
            containers: 15,
            events: 30,
        }
    }
}

/// Name and state of every container of the device.
async fn containers(fleet: &Fleet) -> BTreeMap<String, String> {
    let listed = fleet.device.podman_ok(["ps", "--all", "--format", "json"]);
    let listed = listed.await.expect("a listing");
    let listed: Vec<Value> = serde_json::from_str(&listed).expect("JSON");
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let entry = |c: &Value| (text(&c["Names"][0]), text(&c["State"]));
    listed.iter().map(entry).collect()
}

async fn until_all_run(fleet: &Fleet, count: usize) {
    let all_run = || async {
        let found = containers(fleet).await;
        found.len() == count && found.values().all(|state| state == "running")
    };
    let repaired = wait::until(PATIENCE, all_run).await;
    assert!(repaired, "{:?}", containers(fleet).await);
}

/// The agent's memory in KiB, by these lines of `/proc/<pid>/status`.
fn memory(fleet: &Fleet, line: &str) -> u64 {
    let pid = fleet.device.agent().pid().expect("the agent runs");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("status");
    let value = status.lines().find_map(|l| l.strip_prefix(line));
    let value = value.and_then(|v| v.trim_start_matches(':').split_whitespace().next());
    value.and_then(|v| v.parse().ok()).expect("a number")
}

async fn deploy(fleet: &mut Fleet, deployments: usize) -> Vec<(String, Revision)> {
    let mut deployed = vec![];
    for which in 0..deployments {
        let services: Vec<_> = (0..SERVICES)
            .map(|n| json!({"name": format!("s{n}"), "image": V1, "networkMode": "None"}))
            .collect();
        let name = format!("load.app-{which}");
        let revision = fleet.deploy(&name, json!(services)).await;
        deployed.push((name, revision));
    }
    deployed
}

/// Has something befall a few containers: removed, frozen or stopped by hand.
async fn befall(fleet: &Fleet, round: usize, names: &[&str]) {
    const REMOVE: [&str; 4] = ["rm", "--force", "--time", "0"];
    let by_hand = async |first: &[&str]| {
        let command = first.iter().chain(names);
        fleet.device.podman_ok(command).await
    };
    let done = match round % 3 {
        0 => by_hand(&REMOVE).await,
        // The runtime gives up when a busy machine does not freeze them soon enough; they run on then.
        1 => match by_hand(&["pause"]).await {
            Err(error @ DeviceError::Refused { .. }) => {
                println!("removed instead of frozen: {error}");
                by_hand(&REMOVE).await
            }
            frozen => frozen,
        },
        _ => by_hand(&["stop", "--time", "0"]).await,
    };
    done.expect("done by hand");
}

#[tokio::test]
async fn a_busy_device_repairs_what_drifts_within_little_memory() {
    let extent = Extent::wanted();
    let mut fleet = Fleet::with_agent("agent-load").await;
    if let Err(error) = fleet.device.limit_agent_memory(MEMORY) {
        println!("skipped: an agent of 64 MiB: {error}");
        return;
    }
    let pid = fleet.device.agent().pid();
    let deployed = deploy(&mut fleet, extent.containers / SERVICES).await;
    for (name, revision) in &deployed {
        fleet.until_running(name, *revision).await;
    }
    until_all_run(&fleet, extent.containers).await;

    let rounds = extent.events / AT_ONCE;
    let mut memory_halfway = 0;
    for round in 0..rounds {
        let found = containers(&fleet).await;
        let names: Vec<_> = found.keys().map(String::as_str).collect();
        let start = round * AT_ONCE;
        let chosen: Vec<_> = (start..start + AT_ONCE)
            .map(|n| names[n % names.len()])
            .collect();
        befall(&fleet, round, &chosen).await;
        until_all_run(&fleet, extent.containers).await;
        if round == rounds / 2 {
            memory_halfway = memory(&fleet, "VmRSS");
        }
    }

    for (name, revision) in &deployed {
        fleet.until_running(name, *revision).await;
    }
    assert_eq!(fleet.device.agent().pid(), pid, "it was never ended");
    let (peak, end) = (memory(&fleet, "VmHWM"), memory(&fleet, "VmRSS"));
    println!(
        "{} events: {end} KiB resident, at most {peak}",
        extent.events
    );
    assert!(peak < MEMORY / 1024, "{peak} KiB");
    // A line that stays flat: what the second half of the events left behind is little.
    assert!(
        end * 4 < memory_halfway * 5,
        "{memory_halfway} KiB halfway, {end} at the end"
    );
}
