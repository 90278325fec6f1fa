//! The whole chain as its people see it, from an empty testbed: OpenBao is provisioned, two devices
//! enrol and are approved, a workload comes and is upgraded, one device is shut out and let in again,
//! and the bus loses its memory while nobody can log in.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use fleet_e2e::connections::{Connections, State};
use fleet_e2e::identity::ChainOptions;
use fleet_e2e::platform::{Login, Place, Wanted, expect};
use fleet_e2e::{Error, Platform, rollout};

const DEVICES: [&str; 2] = ["dev-1", "dev-2"];
const SOON: Duration = Duration::from_secs(90);
/// What is promised: from `fleet deny` to the end of the connection.
const DENIED_WITHIN: Duration = Duration::from_secs(5);

async fn platform(name: &str) -> Platform {
    let wanted = Wanted {
        name,
        devices: &DEVICES,
        heartbeat: None,
        operator: Place::Process,
        login: Login::Chain(ChainOptions::default()),
    };
    let platform = Platform::start_wanted(wanted, |step| println!("{step}"));
    Box::pin(platform).await.expect("starts")
}

/// Fails with what everybody said.
fn held(platform: &Platform, outcome: Result<(), Error>) {
    let Err(error) = outcome else { return };
    for device in platform.bed.devices() {
        eprintln!("--- agent of {}\n{}", device.id(), device.agent_log());
    }
    let identity = platform.identity().expect("a chain");
    eprintln!("--- callout\n{}", identity.callout.log());
    eprintln!("--- enrolment service\n{}", identity.enrolment.log());
    panic!("{error}: {error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_and_an_admin_from_an_empty_testbed() {
    let platform = platform("rehearsal").await;
    held(&platform, a_workload_comes_and_is_upgraded(&platform).await);
    held(&platform, one_is_shut_out_and_let_in_again(&platform).await);
    let outcome = the_bus_restarts_while_nobody_can_log_in(&platform).await;
    held(&platform, outcome);
}

async fn a_workload_comes_and_is_upgraded(platform: &Platform) -> Result<(), Error> {
    for device in DEVICES {
        rollout::select(platform, device).await?;
    }
    rollout::roll_out(platform, "v1", &DEVICES).await?;
    rollout::roll_out(platform, "v2", &DEVICES).await
}

async fn one_is_shut_out_and_let_in_again(platform: &Platform) -> Result<(), Error> {
    let identity = platform.identity()?;
    let connections = Connections::of(&platform.bed).await?;
    let enrolment = identity.enrolment_of("dev-2").await?.expect("enrolled");
    let before = platform.containers("dev-2").await?;

    identity.deny(&enrolment).await?;
    let took = connections.until("dev-2", State::Disconnected, DENIED_WITHIN);
    println!("denied and disconnected after {:.1?}", took.await?);
    // What runs there goes on; what is new does not come.
    rollout::roll_out(platform, "v1", &["dev-1"]).await?;
    assert!(rollout::shows(platform, "v2", "dev-2").await?);
    assert_eq!(platform.containers("dev-2").await?, before);
    assert_eq!(connections.number("dev-2").await?, 0);

    identity.approve(&enrolment).await?;
    connections.until("dev-2", State::Connected, SOON).await?;
    rollout::shown(platform, "v1", &["dev-2"]).await
}

async fn the_bus_restarts_while_nobody_can_log_in(platform: &Platform) -> Result<(), Error> {
    let identity = platform.identity()?;
    identity.callout.stop().await?;
    let nats = platform.bed.nats()?;
    nats.kill().await?;
    nats.start().await?;
    // The operator is back on the bus, and what it writes waits there.
    rollout::ask_for(platform, "v2").await?;
    for device in platform.bed.devices() {
        let refused = || async { device.agent_log().contains("LoginUnanswered") };
        let what = format!("{} is told that it may not log in", device.id());
        expect(SOON, what, refused).await?;
        assert!(rollout::shows(platform, "v1", device.id().as_str()).await?);
    }
    identity.callout.start_again()?;
    rollout::shown(platform, "v2", &DEVICES).await
}
