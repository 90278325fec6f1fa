//! Devices: real podman, one machine each.

use crate::common::{IMAGE, SOON, assert_serves, body_at, run_web, skip};
use fleet_testbed::{DeviceError, MachineError, Testbed, wait};
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_publish_the_same_port_and_keep_doing_so_while_one_changes() {
    let bed = Testbed::builder("ports")
        .devices(["dev-1", "dev-2"])
        .start()
        .await
        .unwrap();
    let (one, two) = (bed.device("dev-1").unwrap(), bed.device("dev-2").unwrap());
    run_web(&one, "one").await;
    run_web(&two, "two").await;
    assert_serves(&one, "one").await;
    assert_serves(&two, "two").await;

    one.podman_ok(["rm", "-f", "web"]).await.unwrap();
    assert_serves(&two, "two").await;
    assert_eq!(body_at(SocketAddr::new(one.host_ip(), 8080)).await, None);

    run_web(&one, "new").await;
    assert_serves(&one, "new").await;
    assert_serves(&two, "two").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_stops_containers_and_keeps_the_store() {
    let bed = Testbed::builder("reboot")
        .devices(["dev-1"])
        .start()
        .await
        .unwrap();
    let device = bed.device("dev-1").unwrap();
    run_web(&device, "before").await;
    let id = device.podman_ok(["ps", "-q", "--no-trunc"]).await.unwrap();

    device.reboot().await.unwrap();

    assert_eq!(device.podman_ok(["ps", "-q"]).await.unwrap(), "");
    assert_eq!(
        device.podman_ok(["ps", "-aq", "--no-trunc"]).await.unwrap(),
        id
    );
    device.podman_ok(["start", "web"]).await.unwrap();
    assert_serves(&device, "before").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn containers_outlive_the_podman_service() {
    let bed = Testbed::builder("service")
        .devices(["dev-1"])
        .start()
        .await
        .unwrap();
    let device = bed.device("dev-1").unwrap();
    run_web(&device, "still").await;

    device.stop_podman().await.unwrap();
    assert!(!device.podman(["ps"]).await.unwrap().status.success());
    assert_serves(&device, "still").await;

    device.start_podman().await.unwrap();
    assert_eq!(
        device
            .podman_ok(["ps", "--format", "{{.Names}}"])
            .await
            .unwrap(),
        "web"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_events_of_a_device_are_its_own() {
    let bed = Testbed::builder("events")
        .devices(["dev-1", "dev-2"])
        .start()
        .await
        .unwrap();
    let (one, two) = (bed.device("dev-1").unwrap(), bed.device("dev-2").unwrap());
    run_web(&one, "one").await;
    let events = [
        "events",
        "--stream=false",
        "--filter",
        "event=start",
        "--format",
        "{{.Name}}",
    ];
    assert_eq!(one.podman_ok(events).await.unwrap(), "web");
    assert_eq!(two.podman_ok(events).await.unwrap(), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pulled_cable_cuts_a_device_off_until_it_is_plugged_in_again() {
    let bed = Testbed::builder("cable")
        .devices(["dev-1"])
        .start()
        .await
        .unwrap();
    let device = bed.device("dev-1").unwrap();
    run_web(&device, "there").await;
    assert_serves(&device, "there").await;

    match device.disconnect() {
        Err(error @ DeviceError::NoCable(_)) => {
            return skip("pulling the cable of a device", &error);
        }
        disconnected => disconnected.unwrap(),
    }
    assert_eq!(body_at(SocketAddr::new(device.host_ip(), 8080)).await, None);

    device.reconnect().unwrap();
    assert_serves(&device, "there").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_pull_from_the_registry_while_it_runs() {
    let bed = Testbed::builder("registry")
        .registry()
        .devices(["dev-1", "dev-2"])
        .start()
        .await
        .unwrap();
    let registry = bed.registry().unwrap();
    let (one, two) = (bed.device("dev-1").unwrap(), bed.device("dev-2").unwrap());
    let reference = format!("{}/web:v1", registry.address());
    one.load_image(IMAGE, "pulled").await.unwrap();
    one.podman_ok(["push", IMAGE, &reference]).await.unwrap();

    two.podman_ok(["pull", &reference]).await.unwrap();
    let port = format!("{}:8080:80", two.host_ip());
    two.podman_ok(["run", "-d", "-p", &port, &reference])
        .await
        .unwrap();
    assert_serves(&two, "pulled").await;

    registry.stop().await.unwrap();
    assert!(
        !two.podman(["pull", &reference])
            .await
            .unwrap()
            .status
            .success()
    );
    registry.start().await.unwrap();
    let pulls = || async { two.podman_ok(["pull", &reference]).await.is_ok() };
    assert!(wait::until(SOON, pulls).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_made_on_a_device_is_on_no_other_and_not_on_the_host() {
    let bed = Testbed::builder("own")
        .devices(["dev-1", "dev-2"])
        .start()
        .await
        .unwrap();
    let (one, two) = (bed.device("dev-1").unwrap(), bed.device("dev-2").unwrap());
    one.podman_ok(["network", "create", "own-net"])
        .await
        .unwrap();
    one.podman_ok(["volume", "create", "data"]).await.unwrap();
    // Typed on the device or asked through its socket: the same store.
    let typed = one.podman_typed(["volume", "ls", "--quiet"]).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&typed.stdout).trim(), "data");

    assert_eq!(
        two.podman_ok(["network", "ls", "--quiet"]).await.unwrap(),
        "podman"
    );
    assert_eq!(
        two.podman_ok(["volume", "ls", "--quiet"]).await.unwrap(),
        ""
    );
    assert!(!Path::new("/etc/containers/networks/own-net.json").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_podman_takes_connections_and_answers_once_it_is_thawed() {
    let bed = Testbed::builder("frozen")
        .devices(["dev-1"])
        .start()
        .await
        .unwrap();
    let device = bed.device("dev-1").unwrap();
    device.freeze_podman().await.unwrap();
    let asked = device.podman(["ps"]);
    tokio::pin!(asked);
    let moment = Duration::from_millis(300);
    assert!(
        tokio::time::timeout(moment, &mut asked).await.is_err(),
        "it answered"
    );
    device.thaw_podman().unwrap();
    assert!(asked.await.unwrap().status.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_pulled_while_the_disk_is_full() {
    let bed = Testbed::builder("disk")
        .registry()
        .devices(["dev-1"])
        .start()
        .await
        .unwrap();
    let device = bed.device("dev-1").unwrap();
    let reference = format!("{}/web:v1", bed.registry().unwrap().address());
    device.load_image(IMAGE, "big").await.unwrap();
    device.podman_ok(["push", IMAGE, &reference]).await.unwrap();
    device.podman_ok(["rmi", "--all", "--force"]).await.unwrap();

    match device.fill_disk() {
        Err(error @ DeviceError::Machine(MachineError::NoDisk)) => {
            return skip("filling the disk of a device", &error);
        }
        filled => filled.unwrap(),
    }
    let refused = device.podman_ok(["pull", &reference]).await.unwrap_err();
    assert!(
        refused.to_string().contains("no space left on device"),
        "{refused}"
    );

    device.free_disk().unwrap();
    device.podman_ok(["pull", &reference]).await.unwrap();
}
