//! A web page that versions of one deployment bring to devices: what scenarios look at.

use std::time::Duration;

use crate::platform::Platform;
use crate::{Error, http, workload};

/// Generous: a busy machine must not fail what an idle one does in a second.
const LIMIT: Duration = Duration::from_secs(90);
const NAME: &str = "web";
const LABEL: (&str, &str) = ("fleet", "test");
const PORT: u16 = 8080;

/// Makes a device one that the deployment selects.
///
/// # Errors
/// When the API server refuses.
pub async fn select(platform: &Platform, device: &str) -> Result<(), Error> {
    platform.label(device, LABEL.0, Some(LABEL.1)).await
}

/// Asks for a version, and waits for nothing.
///
/// # Errors
/// When the API server refuses.
pub async fn ask_for(platform: &Platform, version: &str) -> Result<(), Error> {
    let deployment = workload::web(NAME, LABEL, version, PORT)?;
    platform.apply(&deployment).await.map(drop)
}

/// Waits until devices show a version.
///
/// # Errors
/// When one does not.
pub async fn shown(platform: &Platform, version: &str, devices: &[&str]) -> Result<(), Error> {
    for device in devices {
        http::wait_for(platform.address(device, PORT)?, version, LIMIT).await?;
    }
    Ok(())
}

/// Whether a device shows a version at this moment.
///
/// # Errors
/// When there is no such device.
pub async fn shows(platform: &Platform, version: &str, device: &str) -> Result<bool, Error> {
    let address = platform.address(device, PORT)?;
    Ok(http::get(address).await.as_deref().map(str::trim) == Some(version))
}

/// Asks for a version, and waits until these devices show it.
///
/// # Errors
/// When one does not.
pub async fn roll_out(platform: &Platform, version: &str, devices: &[&str]) -> Result<(), Error> {
    ask_for(platform, version).await?;
    shown(platform, version, devices).await
}
