//! The promises of ARCHITECTURE.md that only the whole platform can hold.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_bus::Bus;
use fleet_contracts::kv::Bucket;
use fleet_contracts::payload::DeviceState;
use fleet_e2e::platform::{expect, wait_ready};
use fleet_e2e::{Error, Platform, http, workload};
use fleet_testbed::OperatorOptions;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::ResourceExt as _;
use kube::discovery::{ApiGroup, Discovery, verbs};

const LIMIT: Duration = Duration::from_secs(60);
const PORT: u16 = 8080;
const NAME: &str = "web";
/// On the agents' configuration; every device of a scenario has it.
const EVERYWHERE: (&str, &str) = ("fleet", "test");

async fn platform(name: &str, devices: &[&str]) -> Platform {
    let platform = Platform::start(name, devices, |step| println!("{step}"))
        .await
        .expect("starts");
    for device in devices {
        platform
            .label(device, EVERYWHERE.0, Some(EVERYWHERE.1))
            .await
            .expect("labelled");
    }
    platform
}

/// Applies a version and waits until it answers on these devices.
async fn run_on(platform: &Platform, version: &str, devices: &[&str]) {
    let deployment = workload::web(NAME, EVERYWHERE, version, PORT).expect("valid");
    platform.apply(&deployment).await.expect("applied");
    for device in devices {
        let address = platform.address(device, PORT).expect("a device");
        http::wait_for(address, version, LIMIT)
            .await
            .expect("answers");
    }
}

/// Waits until the status says so: (matched, succeeded, failed, pending).
async fn counts(platform: &Platform, expected: (i64, i64, i64, i64)) -> Result<(), Error> {
    platform
        .wait_deployment(NAME, &format!("counts {expected:?}"), |found| {
            let Some(status) = &found.status else {
                return false;
            };
            let a = &status.aggregate;
            status.observed_generation == found.metadata.generation
                && (a.matched_device_count, a.succeeded, a.failed, a.pending) == expected
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn deployments_on_devices_are_no_objects_but_themselves() {
    let devices = ["dev-1", "dev-2"];
    let platform = platform("objects", &devices).await;
    let before = objects(&platform).await;
    let names = ["one", "two", "three"];
    for (port, name) in (PORT..).zip(names) {
        let deployment = workload::web(name, EVERYWHERE, "v1", port).expect("valid");
        platform.apply(&deployment).await.expect("applied");
    }
    for name in names {
        let succeeded = platform.wait_deployment(name, "succeeds", |found| {
            let status = found.status.as_ref();
            status.is_some_and(|status| status.aggregate.succeeded == 2)
        });
        succeeded.await.expect("succeeded");
    }
    let after = objects(&platform).await;
    let added: BTreeSet<_> = after.difference(&before).map(String::as_str).collect();
    let themselves = names.map(|name| format!("Deployment default/{name}"));
    assert_eq!(added, themselves.iter().map(String::as_str).collect());
}

/// Every object that the API server keeps, but for what it is told of the others: `Event`s go by
/// themselves.
async fn objects(platform: &Platform) -> BTreeSet<String> {
    let client = platform.deployments().into_client();
    let all = Discovery::new(client.clone()).run().await.expect("asked");
    let mut found = BTreeSet::new();
    for (kind, capabilities) in all.groups().flat_map(ApiGroup::recommended_resources) {
        if kind.kind == "Event" || !capabilities.supports_operation(verbs::LIST) {
            continue;
        }
        let objects = Api::<DynamicObject>::all_with(client.clone(), &kind);
        let listed = objects.list_metadata(&ListParams::default()).await;
        for object in listed.expect("listed") {
            let namespace = object.namespace().unwrap_or_default();
            found.insert(format!("{} {namespace}/{}", kind.kind, object.name_any()));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn losing_every_stream_restarts_no_container() {
    let platform = platform("wipe", &["dev-1"]).await;
    run_on(&platform, "v1", &["dev-1"]).await;
    counts(&platform, (1, 1, 0, 0)).await.expect("succeeded");
    let before = platform.containers("dev-1").await.expect("listed");

    let nats = platform.bed.nats().expect("has a bus");
    nats.wipe().await.expect("wiped");
    nats.start().await.expect("starts empty");
    let bus = bus(&platform).await;
    for key in ["dev-1._manifest", "dev-1.default.web"] {
        let rebuilt = || async { matches!(bus.get(Bucket::DesiredState, key).await, Ok(Some(_))) };
        expect(LIMIT, format!("{key} is rebuilt"), rebuilt)
            .await
            .expect("rebuilt");
    }
    let reported = || async {
        matches!(
            bus.get(Bucket::DeviceState, "dev-1.default.web").await,
            Ok(Some(_))
        )
    };
    expect(LIMIT, "the device reports again".into(), reported)
        .await
        .expect("reported");
    counts(&platform, (1, 1, 0, 0))
        .await
        .expect("succeeded again");

    // The manifest of the rebuilt bucket counts: a change goes through.
    assert_eq!(platform.containers("dev-1").await.expect("listed"), before);
    run_on(&platform, "v2", &["dev-1"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_deleted_under_everybody_lose_no_report_and_restart_no_container() {
    let platform = platform("deleted", &["dev-1"]).await;
    run_on(&platform, "v1", &["dev-1"]).await;
    counts(&platform, (1, 1, 0, 0)).await.expect("succeeded");
    let before = platform.containers("dev-1").await.expect("listed");

    // The server stays, and with it all connections: nobody is told of the loss.
    let bus = bus(&platform).await;
    for bucket in Bucket::ALL {
        let deleted = bus.context().delete_stream(bucket.stream()).await;
        deleted.expect("deleted");
    }
    let reported = || async {
        let state = bus.get(Bucket::DeviceState, "dev-1.default.web").await;
        let info = bus.get(Bucket::DeviceInfo, "dev-1").await;
        matches!((state, info), (Ok(Some(_)), Ok(Some(_))))
    };
    expect(LIMIT, "the device says everything again".into(), reported)
        .await
        .expect("reported");

    // What the operator remembers does not count either.
    let operator = platform.operator().expect("a process");
    operator.kill().await.expect("killed");
    operator.start().expect("started");
    wait_ready(operator).await.expect("ready");
    assert_eq!(platform.containers("dev-1").await.expect("listed"), before);
    run_on(&platform, "v2", &["dev-1"]).await;
    counts(&platform, (1, 1, 0, 0)).await.expect("succeeded");
}

#[tokio::test(flavor = "multi_thread")]
async fn restarting_any_part_restarts_no_container() {
    let platform = platform("restarts", &["dev-1"]).await;
    run_on(&platform, "v1", &["dev-1"]).await;
    counts(&platform, (1, 1, 0, 0)).await.expect("succeeded");
    let before = platform.containers("dev-1").await.expect("listed");

    let device = platform.bed.device("dev-1").expect("a device");
    device.kill_agent().await.expect("killed");
    device.start_agent().await.expect("started");
    platform
        .operator()
        .expect("a process")
        .kill()
        .await
        .expect("killed");
    platform
        .operator()
        .expect("a process")
        .start()
        .expect("started");
    let nats = platform.bed.nats().expect("has a bus");
    nats.stop().await.expect("stopped");
    nats.start().await.expect("started");
    let api_server = platform.bed.api_server().expect("has one");
    api_server.stop().await.expect("stopped");
    api_server.start().await.expect("started");
    wait_ready(platform.operator().expect("a process"))
        .await
        .expect("ready");

    // A change made now arrives, so everything is connected again; before it, nothing moved.
    assert_eq!(platform.containers("dev-1").await.expect("listed"), before);
    counts(&platform, (1, 1, 0, 0))
        .await
        .expect("still succeeded");
    run_on(&platform, "v2", &["dev-1"]).await;
    counts(&platform, (1, 1, 0, 0)).await.expect("succeeded");
}

/// A fleet is never upgraded all at once, and sometimes not for good: each of the two versions of the
/// operator meets each of the agent.
#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_and_the_way_back_restart_no_container() {
    let Some(other) = std::env::var_os("FLEET_OTHER_VERSION").map(PathBuf::from) else {
        println!("skipped: programs of another version: make skew REF=<tag or commit>");
        return;
    };
    let devices = ["dev-1", "dev-2"];
    let platform = platform("upgrade", &devices).await;
    goes_on(&platform, 1, &devices).await;

    let (agent, operator) = (other.join("fleet-agent"), other.join("fleet-operator"));
    replace_agent(&platform, "dev-1", Some(&agent)).await;
    goes_on(&platform, 2, &devices).await;
    let ours = platform.operator().expect("a process");
    ours.stop().await.expect("stopped");
    let options = OperatorOptions {
        program: Some(operator),
        ..OperatorOptions::replica("other")
    };
    let theirs = platform.bed.start_operator(options).expect("started");
    wait_ready(&theirs).await.expect("ready");
    goes_on(&platform, 3, &devices).await;
    replace_agent(&platform, "dev-2", Some(&agent)).await;
    goes_on(&platform, 4, &devices).await;

    // All of it is of the other version now.
    theirs.stop().await.expect("stopped");
    ours.start().expect("started");
    wait_ready(ours).await.expect("ready");
    goes_on(&platform, 5, &devices).await;
    for device in devices {
        replace_agent(&platform, device, None).await;
    }
    goes_on(&platform, 6, &devices).await;
}

/// Another agent of a device, or ours again; its containers do not notice.
async fn replace_agent(platform: &Platform, device: &str, program: Option<&Path>) {
    let before = platform.containers(device).await.expect("listed");
    let bus = bus(platform).await;
    // What it says of a Deployment once it is connected and has looked at its containers.
    let key = format!("{device}.default.web");
    let sequence = || async {
        let said = bus.get(Bucket::DeviceState, &key).await;
        said.expect("answers").map(|said| said.sequence)
    };
    let machine = platform.bed.device(device).expect("a device");
    machine.stop_agent().await.expect("stopped");
    let last = sequence().await;
    machine.set_agent_program(program.map(Path::to_owned));
    machine.start_agent().await.expect("started");
    let heard = || async { sequence().await > last };
    expect(LIMIT, format!("{device} is heard again"), heard)
        .await
        .expect("heard");
    assert_eq!(platform.containers(device).await.expect("listed"), before);
}

/// Another version arrives, the `nth` that these devices run; and so many containers were started there
/// in all, none of them again.
async fn goes_on(platform: &Platform, nth: usize, devices: &[&str]) {
    let version = if nth.is_multiple_of(2) { "v2" } else { "v1" };
    run_on(platform, version, devices).await;
    counts(platform, (2, 2, 0, 0)).await.expect("succeeded");
    let bus = bus(platform).await;
    for device in devices {
        let machine = platform.bed.device(device).expect("a device");
        assert_eq!(machine.starts().await.expect("listed"), nth, "{device}");
        let key = format!("{device}.default.web");
        let state = bus.get(Bucket::DeviceState, &key).await;
        let state = state.expect("answers").expect("a report");
        let state: DeviceState = serde_json::from_slice(&state.value).expect("a state");
        assert!(
            state.services.iter().all(|service| service.restarts == 0),
            "{device}: {state:?}"
        );
    }
}

async fn bus(platform: &Platform) -> Bus {
    let nats = platform.bed.nats().expect("has a bus");
    Bus::over(nats.operator_client().await.expect("connects"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offline_device_blocks_nobody_and_converges_when_it_returns() {
    let platform = platform("offline", &["dev-1", "dev-2"]).await;
    run_on(&platform, "v1", &["dev-1", "dev-2"]).await;
    counts(&platform, (2, 2, 0, 0)).await.expect("succeeded");

    let offline = platform.bed.device("dev-2").expect("a device");
    offline.stop_agent().await.expect("stopped");
    run_on(&platform, "v2", &["dev-1"]).await;
    counts(&platform, (2, 1, 0, 1))
        .await
        .expect("one is pending");
    let address = platform.address("dev-2", PORT).expect("a device");
    assert_eq!(
        http::get(address).await.as_deref(),
        Some("v1"),
        "it keeps running what it has"
    );

    platform
        .delete(NAME)
        .await
        .expect("deletion does not wait for an offline device");
    http::wait_gone(platform.address("dev-1", PORT).expect("a device"), LIMIT)
        .await
        .expect("gone");
    offline.start_agent().await.expect("started");
    http::wait_gone(address, LIMIT)
        .await
        .expect("removed when it returns");
    let bus = bus(&platform).await;
    let cleaned = || async {
        matches!(
            bus.get(Bucket::DeviceState, "dev-2.default.web").await,
            Ok(None)
        ) && matches!(
            bus.get(Bucket::DesiredState, "dev-2.default.web").await,
            Ok(None)
        )
    };
    expect(LIMIT, "no key of the deployment is left".into(), cleaned)
        .await
        .expect("cleaned");
}
