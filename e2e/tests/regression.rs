//! The demo's regression, as `make demo-auto` runs it.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use fleet_e2e::{Platform, regression};

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_does_what_it_says() {
    let say = |step: &str| println!("{step}");
    let platform = Platform::start("regression", &regression::DEVICES, say)
        .await
        .expect("starts");
    if let Err(error) = regression::run(&platform, say).await {
        for device in platform.bed.devices() {
            eprintln!("--- agent of {}\n{}", device.id(), device.agent_log());
        }
        eprintln!("--- operator\n{}", platform.operator.log());
        panic!("{error}: {error:?}");
    }
}
