//! What runs on a device, and how often anything was started there: asked of podman, not of the agent.

use super::{Device, DeviceError};

impl Device {
    /// The containers that run, each by its id, its name and when it was started last: one that was
    /// started again is another here.
    ///
    /// # Errors
    /// When podman does not answer.
    pub async fn running(&self) -> Result<Vec<String>, DeviceError> {
        let format = "{{.ID}} {{.Names}} {{.StartedAt}}";
        let listed = self.podman_ok(["ps", "--no-trunc", "--format", format]);
        Ok(listed.await?.lines().map(str::to_owned).collect())
    }

    /// How many containers were ever started.
    ///
    /// # Errors
    /// When podman does not answer.
    pub async fn starts(&self) -> Result<usize, DeviceError> {
        let events = ["events", "--stream=false", "--filter", "event=start"];
        let format = ["--format", "{{.ID}}"];
        let listed = self.podman_ok(events.into_iter().chain(format));
        Ok(listed.await?.lines().count())
    }
}
