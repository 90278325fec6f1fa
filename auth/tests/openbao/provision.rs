//! `fleet-auth provision openbao`.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use crate::vault::{bao, bed, provision, provisioned, provisioning};

#[tokio::test(flavor = "multi_thread")]
async fn users_get_what_they_need_and_no_more() {
    let bed = bed("rights").await;
    let server = bed.openbao().expect("openbao");
    provisioned(server, &[]);
    let put = ["kv", "put", "-mount=kv", "devices/dev-1", "denied=yes"];
    let get = ["read", "kv/data/devices/dev-1"];
    let other = ["read", "kv/data/other/dev-1"];
    bao(server, &server.enrol(), &put).expect("the enrolment service writes");
    let record = bao(server, &server.callout(), &get).expect("the callout reads");
    assert_eq!(record["data"]["data"], json!({"denied": "yes"}));
    for (login, args) in [
        (server.callout(), &put[..]),
        (server.callout(), &other[..]),
        (server.enrol(), &other[..]),
        (server.provisioner(), &get[..]),
    ] {
        let refused = bao(server, &login, args).expect_err("refused");
        assert!(refused.contains("permission denied"), "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_mounted_is_left_alone_and_named() {
    let bed = bed("taken").await;
    let server = bed.openbao().expect("openbao");
    let mount = ["secrets", "enable", "-path=kv", "-version=1", "kv"];
    bao(server, &server.provisioner(), &mount).expect("mounted");
    let output = provision(server, &[]);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    let reason = "kv holds kv of version 1, and kv of version 2 is needed";
    assert!(errors.contains(reason), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_openbao_is_waited_for() {
    let bed = bed("busy").await;
    let server = bed.openbao().expect("openbao");
    server.service().freeze().await.expect("frozen");
    let mut command = provisioning(server, &[]);
    let mut running = tokio::task::spawn_blocking(move || command.output());
    // Longer than a login would wait.
    let gave_up = timeout(Duration::from_secs(5), &mut running).await;
    server.service().thaw().expect("thawed");
    assert!(gave_up.is_err(), "{gave_up:?}");
    let output = running.await.expect("no panic").expect("the program runs");
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn without_an_address_it_says_how_to_give_one() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_fleet-auth"))
        .args(["provision", "openbao"])
        .env_remove("FLEET_BAO_ADDRESS")
        .output()
        .expect("the program runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(
        errors.contains("give --bao-address or FLEET_BAO_ADDRESS"),
        "{errors}"
    );
}
