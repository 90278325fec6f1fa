//! Devices and plans, on a real API server.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::bed::Bed;

#[tokio::test(flavor = "multi_thread")]
async fn devices_are_listed_described_and_planned_for() {
    let bed = Bed::installed("cli-devices").await;
    bed.add_device("pi-1", "lab", "True").await;
    bed.add_device("pi-2", "lab", "False").await;
    bed.add_device("pi-3", "shop", "True").await;

    let table = bed.fleet(&["get", "devices"]).ok();
    assert!(
        table.starts_with("NAME   REACHABLE   ARCH      AGENT   AGE\npi-1   True"),
        "{table}"
    );
    let lab = bed
        .fleet(&["get", "dev", "-l", "site=lab", "-o", "name"])
        .ok();
    assert_eq!(
        lab,
        "device.fleet.nationtech.io/pi-1\ndevice.fleet.nationtech.io/pi-2\n"
    );
    let error = bed.fleet(&["get", "dev", "-l", "site in lab"]).failed();
    assert!(error.contains("(BadRequest)"), "{error}");

    let deploy = |name, selector, image| {
        [
            "deploy", "--name", name, "-l", selector, "--port", "8080:80", "--image", image,
        ]
    };
    bed.fleet(&deploy("old", "site=shop", "nginx:1")).ok();
    bed.fleet(&deploy("web", "site=lab", "nginx:1")).ok();

    let device = bed.fleet(&["describe", "device", "pi-3"]).ok();
    assert!(
        device.contains("default     old") && !device.contains("web"),
        "{device}"
    );
    let deployment = bed.fleet(&["describe", "dep/web"]).ok();
    assert!(
        deployment.contains("pi-1   True\n  pi-2   False\n"),
        "{deployment}"
    );

    let plan = |more: &[&str]| {
        let all = [
            "plan",
            "--name",
            "web",
            "--target-all",
            "--port",
            "8080:80",
            "--image",
            "nginx:2",
        ];
        bed.fleet(&[&all, more].concat())
    };
    let text = plan(&[]).ok();
    assert!(text.contains("pi-1     update   True\n"), "{text}");
    assert!(
        text.contains("host port 8080/TCP with default/old"),
        "{text}"
    );
    assert!(
        text.contains("Plan: 1 to start, 2 to update, 0 to stop, 0 to keep.\n1 of these offline"),
        "{text}"
    );
    assert_eq!(plan(&["--detailed-exitcode"]).code, 2);
    let json: serde_json::Value = serde_json::from_str(&plan(&["-o", "json"]).ok()).expect("json");
    assert_eq!(json["action"], "change");
    assert_eq!(json["devices"][2]["clashes"][0]["winner"], "other");

    // Nothing was applied by all this planning.
    let same = [
        &["plan"],
        &deploy("web", "site=lab", "nginx:1")[1..],
        &["--detailed-exitcode"],
    ]
    .concat();
    assert!(bed.fleet(&same).ok().contains("is already so"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_prints_what_changes() {
    let bed = Bed::installed("cli-watch").await;
    bed.add_device("pi-1", "lab", "True").await;
    let mut child = bed
        .program()
        .args(["get", "devices", "-w", "-o", "wide"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut next = || lines.next().expect("a line").expect("text");
    assert!(next().starts_with("NAME"));
    assert!(next().contains("site=lab"));
    let patch = json!({"metadata": {"labels": {"site": "shop"}}});
    bed.devices()
        .patch("pi-1", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .expect("patched");
    assert!(next().contains("site=shop"));
    child.kill().expect("killed");
    child.wait().expect("ended");
}
