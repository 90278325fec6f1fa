//! Many hosts by a fleet file: at once, again, and with one that is not there.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::machine::{Machine, skips};
use crate::program::{Program, agent};
use crate::services::{SOON, approve, fleet_file, platform};

const DEVICES: [&str; 2] = ["cell-1", "cell-2"];

fn hosts(document: &Value) -> &Vec<Value> {
    document["hosts"].as_array().expect("hosts")
}

#[tokio::test(flavor = "multi_thread")]
async fn hosts_of_a_fleet_file_become_devices_and_one_that_fails_stops_no_other() {
    if skips("a fleet file") {
        return;
    }
    let (platform, first, second) = tokio::join!(
        platform("many"),
        Machine::start_for_containers(),
        Machine::start_for_containers()
    );
    let machines = [first, second];
    let folder = tempfile::tempdir().expect("a folder");
    let devices = DEVICES.map(str::to_owned);
    let agent = PathBuf::from(agent());
    let fleet = fleet_file(&platform, &agent, &devices, &machines, folder.path()).await;
    // Nobody listens there.
    let nobody = "[[hosts]]\naddress = '127.0.0.1:1'\ndevice_id = 'cell-3'\n";
    let text = fs::read_to_string(&fleet).expect("written") + nobody;
    fs::write(&fleet, text).expect("written");
    let program = |command: &str| {
        Program::new([command, "-o", "json", "--fleet"])
            .args([&fleet])
            .args(machines[0].login_options())
    };

    let plan = program("plan").run().await;
    assert_eq!(plan.reason(), "HostsFailed");
    let planned = plan.json();
    assert!(
        hosts(&planned)[..2]
            .iter()
            .all(|host| host["changes"].as_u64() > Some(5)),
        "{planned}"
    );
    assert_eq!(
        machines[0].sh("getent passwd fleet-agent || echo none"),
        "none"
    );

    let kubeconfig = platform.bed.kubeconfig().expect("a cluster");
    let setup = program("setup")
        .args(["--parallel", "2"])
        .cluster(kubeconfig)
        .run();
    let approved = async {
        for device in DEVICES {
            approve(&platform, device, SOON).await;
        }
    };
    let (ran, ()) = tokio::join!(setup, approved);
    assert_eq!(ran.reason(), "HostsFailed", "{}", ran.complained);
    assert!(
        ran.complained.contains("1 of 3 hosts failed"),
        "{}",
        ran.complained
    );
    let done = ran.json();
    for (host, device) in hosts(&done).iter().zip(DEVICES) {
        assert_eq!(
            (&host["device"], &host["reachable"]),
            (&device.into(), &true.into()),
            "{host}"
        );
    }
    assert_eq!(hosts(&done)[2]["error"]["reason"], "Unreachable");

    // Goes on where each of them is: the tokens are used up, and nothing is left to do.
    fs::remove_dir_all(folder.path().join("tokens")).expect("used up");
    let again = program("setup").cluster(kubeconfig).run().await.json();
    assert!(
        hosts(&again)[..2].iter().all(|host| host["changes"] == 0),
        "{again}"
    );
}
