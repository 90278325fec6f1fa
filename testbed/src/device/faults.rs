//! What befalls a device: power cuts, pulled cables, a full disk, a podman that hangs.

use std::io;

use super::machine::Disk;
use super::{Device, DeviceError};
use crate::control_groups;
use crate::journal::Entry;
use crate::network::Cable;

impl Device {
    /// Lets the agent that runs have this much memory and no more: beyond it the kernel ends it.
    ///
    /// # Errors
    /// When the agent does not run, or the system does not allow it.
    pub fn limit_agent_memory(&self, bytes: u64) -> Result<(), DeviceError> {
        let refused = |source| DeviceError::Memory {
            device: self.id.to_string(),
            source,
        };
        let pid = self.agent.service().pid();
        let pid = pid.ok_or_else(|| refused(io::Error::other("the agent does not run")))?;
        let group = control_groups::memory_group(&format!("fleet-{}", crate::secret::token()));
        self.journal.write(&Entry::Group {
            path: group.clone(),
        })?;
        control_groups::limit_memory(&group, bytes, pid).map_err(refused)
    }

    /// Kills podman's service (SIGKILL). Containers keep running.
    ///
    /// # Errors
    /// When the process does not go.
    pub async fn kill_podman(&self) -> Result<(), DeviceError> {
        Ok(self.podman.service().kill().await?)
    }

    /// Freezes podman's service: its socket accepts and never answers, as when the disk hangs.
    ///
    /// # Errors
    /// When the signal cannot be sent, or the process does not stop.
    pub async fn freeze_podman(&self) -> Result<(), DeviceError> {
        Ok(self.podman.service().freeze().await?)
    }

    /// Lets a frozen podman service go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn thaw_podman(&self) -> Result<(), DeviceError> {
        Ok(self.podman.service().thaw()?)
    }

    /// Cuts the power: agent, podman and containers are gone at once, and so is all in memory.
    ///
    /// # Errors
    /// When a process does not go.
    pub async fn power_off(&self) -> Result<(), DeviceError> {
        self.agent.service().kill().await?;
        self.machine.cut_power().await?;
        self.podman.service().kill().await?;
        self.podman.forget_run_state(&self.machine).await;
        Ok(())
    }

    /// Boots the machine again: podman runs, no container does. The agent is not started, so that
    /// a test decides when it is.
    ///
    /// # Errors
    /// When the machine or podman does not come up.
    pub async fn power_on(&self) -> Result<(), DeviceError> {
        self.boot().await
    }

    /// A power cut and a boot. As on a machine where systemd starts the agent, it runs afterwards
    /// if it ran before.
    ///
    /// # Errors
    /// When something does not go, or does not come back.
    pub async fn reboot(&self) -> Result<(), DeviceError> {
        let had_agent = self.agent.service().pid().is_some();
        self.power_off().await?;
        self.power_on().await?;
        if had_agent {
            self.start_agent().await?;
        }
        Ok(())
    }

    /// Pulls the network cable.
    ///
    /// # Errors
    /// Without root the device has none of its own.
    pub fn disconnect(&self) -> Result<(), DeviceError> {
        self.cable(Cable::Pulled)
    }

    /// Plugs the network cable in again.
    ///
    /// # Errors
    /// Without root the device has none of its own.
    pub fn reconnect(&self) -> Result<(), DeviceError> {
        self.cable(Cable::Plugged)
    }

    /// Fills the disk that images pass through when they are pulled: every pull fails.
    ///
    /// # Errors
    /// Without root the device has none of its own.
    pub fn fill_disk(&self) -> Result<(), DeviceError> {
        Ok(self.machine.set_disk(Disk::Full)?)
    }

    /// Frees the disk again.
    ///
    /// # Errors
    /// When it was not full.
    pub fn free_disk(&self) -> Result<(), DeviceError> {
        Ok(self.machine.set_disk(Disk::Free)?)
    }

    fn cable(&self, cable: Cable) -> Result<(), DeviceError> {
        let (bridge, number) = self
            .machine
            .cable()
            .ok_or_else(|| DeviceError::NoCable(self.id.to_string()))?;
        Ok(bridge.set_cable(number, cable)?)
    }
}
