//! The demo's regression, as `make demo-auto` runs it.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use fleet_e2e::identity::ChainOptions;
use fleet_e2e::platform::{Login, Place, Wanted};
use fleet_e2e::{Platform, regression};
use fleet_testbed::Node;

async fn regression_with(name: &str, operator: Place<'_>) {
    let say = |step: &str| println!("{step}");
    let wanted = Wanted {
        name,
        devices: &regression::DEVICES,
        heartbeat: None,
        operator,
        login: Login::Chain(ChainOptions::default()),
    };
    let platform = Platform::start_wanted(wanted, say).await.expect("starts");
    if let Err(error) = regression::run(&platform, say).await {
        for device in platform.bed.devices() {
            eprintln!("--- agent of {}\n{}", device.id(), device.agent_log());
        }
        if let Ok(operator) = platform.operator() {
            eprintln!("--- operator\n{}", operator.log());
        }
        panic!("{error}: {error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_does_what_it_says() {
    regression_with("regression", Place::Process).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_does_what_it_says_with_the_operator_as_a_pod() {
    if let Err(why) = Node::supported() {
        eprintln!("skipped: the demo with the operator as a pod: {why}");
        return;
    }
    regression_with("regression-pod", Place::Pod).await;
}
