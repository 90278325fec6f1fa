//! Enrolments are listed, described, approved and denied, on a real API server.

use fleet_api::{DeviceEnrolment, DeviceEnrolmentSpec};
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use crate::bed::Bed;

async fn ask(bed: &Bed, digit: char, device: &str) -> String {
    let name = digit.to_string().repeat(40);
    let spec: DeviceEnrolmentSpec = serde_json::from_value(json!({
        "publicKey": "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----\n",
        "fingerprint": format!("SHA256:{}", digit.to_string().repeat(43)),
        "deviceId": device, "labels": {"site": "lyon"}, "tokenId": "0".repeat(20),
        "facts": {"architecture": "aarch64"},
    }))
    .expect("a spec");
    let api: Api<DeviceEnrolment> = Api::all(bed.client.clone());
    let object = DeviceEnrolment::new(&name, spec);
    api.create(&PostParams::default(), &object)
        .await
        .expect("created");
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolments_are_listed_described_approved_and_denied() {
    let bed = Bed::installed("cli-enrolments").await;
    let (a, b) = (ask(&bed, 'a', "pi-1").await, ask(&bed, 'b', "pi-2").await);
    let list = bed.fleet(&["get", "enrolments"]).ok();
    assert!(list.starts_with("NAME  "), "{list}");
    assert!(list.contains(&format!("{a}   pi-1     <none>")), "{list}");

    let approved = bed.fleet(&["approve", &a, &b]).ok();
    assert!(
        approved.contains(&format!(
            "deviceenrolment.fleet.nationtech.io/{b} approved (device pi-2, key SHA256:bbb"
        )),
        "{approved}"
    );
    bed.fleet(&["deny", &a, "--reason", "stolen"]).ok();
    let told = bed.fleet(&["describe", "enrolment", &a]).ok();
    assert!(
        told.contains("Denied") && told.contains("stolen") && told.contains("aarch64"),
        "{told}"
    );
    // What was said of one decision is not said of the next.
    bed.fleet(&["approve", &a]).ok();
    let told = bed.fleet(&["describe", "enrolment", &a]).ok();
    assert!(
        told.contains("Approved") && !told.contains("stolen"),
        "{told}"
    );
    let list = bed.fleet(&["get", "fleetenrol", "-o", "wide"]).ok();
    assert!(
        list.contains("Approved") && list.contains("site=lyon"),
        "{list}"
    );
    // What a rule approved is told from what a person did.
    let c = ask(&bed, 'c', "cell-1").await;
    let api: Api<DeviceEnrolment> = Api::all(bed.client.clone());
    let mut object = api.get(&c).await.expect("there");
    let by = json!({
        "policyApproval": {"rule": "cells", "because": "its id fits cell-*", "at": "2026-01-01T00:00:00Z"},
        "allowedLabels": {"rack": [], "site": ["lyon", "paris"]},
    });
    object.status = serde_json::from_value(by).expect("a status");
    api.replace_status(&c, &PostParams::default(), &object)
        .await
        .expect("written");
    let list = bed.fleet(&["get", "enrolments"]).ok();
    assert!(list.contains(&format!("{c}   cell-1   ByPolicy")), "{list}");
    let told = bed.fleet(&["describe", "enrolment", &c]).ok();
    assert!(told.contains("rule cells: its id fits cell-*"), "{told}");
    let line = |name: &str| {
        let line = told.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':'))
            .map(|(_, rest)| rest.trim())
    };
    assert_eq!(line("May claim"), Some("rack=*, site=lyon|paris"), "{told}");
    assert_eq!(line("Bound to"), Some("any label"), "{told}");
    let missing = bed.fleet(&["approve", "nobody"]).failed();
    assert!(missing.contains("nobody"), "{missing}");
}
