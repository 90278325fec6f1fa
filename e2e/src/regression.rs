//! The demo without a person: what must never stop working, in the order in which a user would
//! try it.

use std::time::Duration;

use crate::platform::Platform;
use crate::{Error, http, workload};

/// The devices of the demo.
pub const DEVICES: [&str; 2] = ["dev-1", "dev-2"];
/// The label that the demo's deployment selects.
const LABEL: (&str, &str) = ("demo", "web");
/// The port it publishes.
const PORT: u16 = 8080;
/// The deployment.
const NAME: &str = "hello";
/// Generous: a busy machine must not fail what an idle one does in a second.
const LIMIT: Duration = Duration::from_secs(60);

/// Runs all of it on a platform with [`DEVICES`].
pub async fn run(platform: &Platform, progress: impl Fn(&str)) -> Result<(), Error> {
    progress("apply: the labelled device answers");
    apply_runs(platform).await?;
    progress("new image: another container, the new page");
    upgrade_replaces(platform).await?;
    progress("label moved: the workload moves");
    label_moves(platform).await?;
    progress("agent killed, power cut, NATS down: back from the ledger");
    survives_power_cut(platform).await?;
    progress("delete: container and keys are gone");
    delete_cleans_up(platform).await
}

async fn apply_runs(platform: &Platform) -> Result<(), Error> {
    platform.label("dev-1", LABEL.0, Some(LABEL.1)).await?;
    platform
        .apply(&workload::web(NAME, LABEL, "v1", PORT)?)
        .await?;
    http::wait_for(platform.address("dev-1", PORT)?, "v1", LIMIT).await?;
    succeeded_on_one(platform).await
}

async fn upgrade_replaces(platform: &Platform) -> Result<(), Error> {
    let before = platform.containers("dev-1").await?;
    platform
        .apply(&workload::web(NAME, LABEL, "v2", PORT)?)
        .await?;
    http::wait_for(platform.address("dev-1", PORT)?, "v2", LIMIT).await?;
    let after = platform.containers("dev-1").await?;
    if after.len() != 1 || before == after {
        return Err(Error::Unexpected(format!(
            "containers before {before:?}, after {after:?}"
        )));
    }
    succeeded_on_one(platform).await
}

async fn label_moves(platform: &Platform) -> Result<(), Error> {
    platform.label("dev-2", LABEL.0, Some(LABEL.1)).await?;
    platform.label("dev-1", LABEL.0, None).await?;
    http::wait_for(platform.address("dev-2", PORT)?, "v2", LIMIT).await?;
    http::wait_gone(platform.address("dev-1", PORT)?, LIMIT).await?;
    succeeded_on_one(platform).await
}

async fn survives_power_cut(platform: &Platform) -> Result<(), Error> {
    let device = platform.bed.device("dev-2")?;
    platform.bed.nats()?.stop().await?;
    device.kill_agent().await?;
    device.reboot().await?;
    http::wait_gone(platform.address("dev-2", PORT)?, LIMIT).await?;
    device.start_agent().await?;
    http::wait_for(platform.address("dev-2", PORT)?, "v2", LIMIT).await?;
    platform.bed.nats()?.start().await?;
    succeeded_on_one(platform).await
}

async fn delete_cleans_up(platform: &Platform) -> Result<(), Error> {
    platform.delete(NAME).await?;
    http::wait_gone(platform.address("dev-2", PORT)?, LIMIT).await?;
    for device in DEVICES {
        let containers = platform.containers(device).await?;
        if !containers.is_empty() {
            return Err(Error::Unexpected(format!(
                "{device} still runs {containers:?}"
            )));
        }
    }
    Ok(())
}

/// The status says that one device matched and runs the current revision, and it adds up.
async fn succeeded_on_one(platform: &Platform) -> Result<(), Error> {
    platform
        .wait_deployment(NAME, "has succeeded on exactly one device", |found| {
            let Some(status) = &found.status else {
                return false;
            };
            let counts = &status.aggregate;
            status.observed_generation == found.metadata.generation
                && (counts.matched_device_count, counts.succeeded) == (1, 1)
                && (counts.failed, counts.pending) == (0, 0)
        })
        .await
}
