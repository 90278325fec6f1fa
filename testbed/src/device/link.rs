//! A bad network: what a device's link does to packets, in its own network namespace, so that nothing
//! of it outlives the machine.

use std::time::Duration;

use super::{Device, DeviceError};

/// Our own, so that removing it touches nothing of podman's.
const TABLE: [&str; 2] = ["netdev", "faults"];

impl Device {
    /// Loses this share of all packets, in both directions. Needs `nft`.
    ///
    /// # Errors
    /// Without root the device has no link of its own, and a kernel may lack what this takes.
    pub fn lose_packets(&self, percent: u8) -> Result<(), DeviceError> {
        let [family, table] = TABLE;
        self.on_link(&["nft", "add", "table", family, table])?;
        for hook in ["ingress", "egress"] {
            let chain = format!("{{ type filter hook {hook} device eth0 priority 0; }}");
            self.on_link(&["nft", "add", "chain", family, table, hook, &chain])?;
            let share = percent.to_string();
            let rule = ["numgen", "random", "mod", "100", "<", &share, "drop"];
            let command = [&["nft", "add", "rule", family, table, hook], &rule[..]];
            self.on_link(&command.concat())?;
        }
        Ok(())
    }

    /// Loses no more packets.
    ///
    /// # Errors
    /// When none were lost.
    pub fn keep_packets(&self) -> Result<(), DeviceError> {
        let [family, table] = TABLE;
        self.on_link(&["nft", "delete", "table", family, table])
    }

    /// Delays each packet that the device sends: what a round trip takes longer.
    ///
    /// # Errors
    /// Without root the device has no link of its own; many kernels come without netem.
    pub fn delay_packets(&self, by: Duration) -> Result<(), DeviceError> {
        let delay = format!("{}ms", by.as_millis());
        let netem = ["netem", "delay", &delay];
        self.on_link(&[&["tc", "qdisc", "add", "dev", "eth0", "root"], &netem[..]].concat())
    }

    /// Delays nothing any more.
    ///
    /// # Errors
    /// When nothing was delayed.
    pub fn hurry_packets(&self) -> Result<(), DeviceError> {
        self.on_link(&["tc", "qdisc", "delete", "dev", "eth0", "root"])
    }

    fn on_link(&self, command: &[&str]) -> Result<(), DeviceError> {
        let no_cable = || DeviceError::NoCable(self.id.to_string());
        self.machine.cable().ok_or_else(no_cable)?;
        Ok(self.machine.in_network(command)?)
    }
}
