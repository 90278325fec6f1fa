//! Labels decide what runs where: a device gets those that its token and its policy let it claim,
//! whatever it says on the bus.
#![allow(clippy::expect_used, clippy::panic, reason = "test code")]

use std::time::Duration;

use fleet_api::Device;
use fleet_e2e::identity::ChainOptions;
use fleet_e2e::platform::{Login, Place, Wanted, expect};
use fleet_e2e::{Error, Platform, http, workload};
use serde_json::json;

const SOON: Duration = Duration::from_secs(90);
const PORT: u16 = 8080;

async fn platform() -> Platform {
    let wanted = Wanted {
        name: "labels",
        devices: &["dev-1", "dev-2"],
        heartbeat: Some(1),
        operator: Place::Process,
        login: Login::Chain(ChainOptions {
            enrolment: ["--policy-refresh", "1"].map(str::to_owned).into(),
            ..ChainOptions::default()
        }),
    };
    let say = |step: &str| println!("{step}");
    let platform = Box::pin(Platform::start_wanted(wanted, say)).await;
    platform.expect("starts")
}

/// Has the device say of itself that it is at this site.
async fn claim(platform: &Platform, device: &str, site: &str) -> Result<(), Error> {
    let device = platform.bed.device(device)?;
    device.set_labels([("site", site)]);
    device.stop_agent().await?;
    Ok(device.start_agent().await?)
}

fn site(device: &Device) -> Option<&str> {
    let labels = device.metadata.labels.as_ref()?;
    labels.get("site").map(String::as_str)
}

/// What the condition says of labels that the device does not get.
fn dropped(device: &Device) -> Option<String> {
    let conditions = &device.status.as_ref()?.conditions;
    let found = conditions.iter().find(|c| c.type_ == "LabelsAccepted");
    found
        .filter(|c| c.reason == "LabelsDropped")
        .map(|c| c.message.clone())
}

fn is_refused(device: &Device) -> bool {
    let told =
        dropped(device).is_some_and(|m| m.contains("\"site\" (not allowed for this device)"));
    told && site(device).is_none()
}

async fn idle(platform: &Platform, device: &str) -> Result<(), Error> {
    let none = || async {
        platform
            .containers(device)
            .await
            .is_ok_and(|c| c.is_empty())
    };
    expect(SOON, format!("{device} runs nothing"), none).await
}

async fn shows(platform: &Platform, device: &str, version: &str) -> Result<(), Error> {
    let address = platform.address(device, PORT)?;
    http::wait_for(address, version, SOON).await.map(drop)
}

async fn scenario(platform: &Platform) -> Result<(), Error> {
    let identity = platform.identity()?;
    for (name, version) in [("paris", "v1"), ("lyon", "v2")] {
        let web = workload::web(name, ("site", name), version, PORT)?;
        platform.apply(&web).await?;
    }
    // Nothing restricts them: they are where they say they are.
    for device in ["dev-1", "dev-2"] {
        claim(platform, device, "paris").await?;
        shows(platform, device, "v1").await?;
    }

    let allowed = json!({"allowedLabels": {"site": ["lyon"]}});
    let bed = &platform.bed;
    identity.patch_policy(bed, "dev-1", &allowed).await?;
    let what = "may not be in Paris";
    platform.wait_device("dev-1", what, is_refused).await?;
    idle(platform, "dev-1").await?;
    shows(platform, "dev-2", "v1").await?;

    // An operator that starts anew gives it no more.
    platform.operator()?.kill().await?;
    platform.operator()?.start()?;
    claim(platform, "dev-1", "lyon").await?;
    shows(platform, "dev-1", "v2").await?;
    claim(platform, "dev-1", "paris").await?;
    platform.wait_device("dev-1", what, is_refused).await?;
    idle(platform, "dev-1").await?;

    // A token binds its device from the first moment on, whatever the policy would allow.
    let guest = platform.bed.add_device("dev-3").await?;
    let bound = ["--label", "site=lyon"];
    let enrolment = identity.ask_bound(&guest, &bound).await?;
    identity.approve(&enrolment).await?;
    identity.wait_enrolled(&guest).await?;
    guest.set_labels([("site", "paris")]);
    guest.start_agent().await?;
    platform.wait_device("dev-3", what, is_refused).await?;
    claim(platform, "dev-3", "lyon").await?;
    let there = |d: &Device| site(d) == Some("lyon") && dropped(d).is_none();
    platform.wait_device("dev-3", "is in Lyon", there).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_claims_another_site_gets_nothing_of_it() {
    let platform = platform().await;
    if let Err(error) = scenario(&platform).await {
        let operator = platform.operator().expect("a process");
        let identity = platform.identity().expect("identity");
        panic!(
            "{error}\n--- operator\n{}\n--- enrolment\n{}",
            operator.log(),
            identity.enrolment.log()
        );
    }
}
