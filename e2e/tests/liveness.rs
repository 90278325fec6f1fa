//! A device that falls silent is seen to, and is welcome back; heartbeats never touch etcd.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use fleet_api::Device;
use fleet_e2e::platform::{Login, Place, Wanted};
use fleet_e2e::{Platform, http, workload};

const PERIOD: u32 = 1;
const LIMIT: Duration = Duration::from_secs(60);

fn condition(device: &Device, kind: &str) -> Option<(String, String)> {
    let conditions = &device.status.as_ref()?.conditions;
    let found = conditions.iter().find(|c| c.type_ == kind)?;
    Some((found.status.clone(), found.reason.clone()))
}

fn is(device: &Device, kind: &str, status: &str, reason: &str) -> bool {
    condition(device, kind) == Some((status.to_owned(), reason.to_owned()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_device_turns_stale_and_counts_as_unreachable_until_it_is_heard_again() {
    let say = |step: &str| println!("{step}");
    let devices = ["dev-1", "dev-2"];
    let wanted = Wanted {
        name: "liveness",
        devices: &devices,
        heartbeat: Some(PERIOD),
        operator: Place::Process,
        login: Login::StaticKeys,
    };
    let platform = Platform::start_wanted(wanted, say).await.expect("starts");
    for id in devices {
        platform
            .label(id, "fleet", Some("test"))
            .await
            .expect("labelled");
        platform
            .wait_device(id, "is reachable", |d| {
                is(d, "Reachable", "True", "HeartbeatReceived")
                    && is(d, "Stale", "False", "HeartbeatReceived")
            })
            .await
            .expect("reachable");
    }
    let web = workload::web("web", ("fleet", "test"), "v1", 8080).expect("valid");
    platform.apply(&web).await.expect("applied");
    for id in devices {
        let address = platform.address(id, 8080).expect("a device");
        http::wait_for(address, "v1", LIMIT).await.expect("answers");
    }

    let unreachable = |expected: i64| {
        platform.wait_deployment("web", "counts the unreachable", move |d| {
            let counts = d.status.as_ref().map(|s| &s.aggregate);
            counts.is_some_and(|a| (a.unreachable, a.succeeded) == (expected, 2))
        })
    };
    // The agent says so a moment after the container answers; killed before, it never would.
    unreachable(0).await.expect("counted");

    let heard = platform.devices().get("dev-1").await.expect("read");
    let silent = platform.bed.device("dev-2").expect("a device");
    silent.kill_agent().await.expect("killed");
    platform
        .wait_device("dev-2", "is stale", |d| {
            is(d, "Reachable", "False", "HeartbeatMissed")
                && is(d, "Stale", "True", "HeartbeatMissed")
        })
        .await
        .expect("stale");
    unreachable(1).await.expect("counted");

    // dev-1 sent several heartbeats meanwhile; none of them reached the API server.
    let still = platform.devices().get("dev-1").await.expect("read");
    assert_eq!(
        still.metadata.resource_version,
        heard.metadata.resource_version
    );

    silent.start_agent().await.expect("started");
    platform
        .wait_device("dev-2", "is reachable again", |d| {
            is(d, "Reachable", "True", "HeartbeatReceived")
        })
        .await
        .expect("reachable");
    unreachable(0).await.expect("counted");
}
