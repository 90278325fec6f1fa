//! The network between the host and its devices: one bridge per testbed, one address per device.

use std::io;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use crate::journal::{Entry, Journal, JournalError};

/// How many subnets are tried; each is one of 512, and few are ever in use.
const ATTEMPTS: u32 = 20;

/// Why the network could not be made.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A command of iproute2 or util-linux said no.
    #[error("`{command}` failed: {output}")]
    Command {
        /// The command line.
        command: String,
        /// What it printed.
        output: String,
    },
    /// A command could not be started.
    #[error("`{command}` cannot be started; run tools/system-packages.sh")]
    Start {
        /// The command line.
        command: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Every subnet that was tried is in use.
    #[error("no free subnet in 198.18.0.0/15 was found; `fleet-testbed status` shows what runs")]
    NoSubnet,
    /// It could not be recorded, and so was not made.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// A bridge with an address of its own for the host. Devices are attached to it with veth pairs.
/// Taken down by the journal's clean-up.
#[derive(Debug, Clone)]
pub(crate) struct Bridge {
    name: String,
    tag: String,
    subnet: [u8; 3],
}

impl Bridge {
    /// Makes a bridge with a subnet that no interface of this host uses. 198.18.0.0/15 is set
    /// aside for tests of network devices (RFC 2544), so neither the internet nor a company
    /// network routes it.
    pub(crate) fn create(journal: &Journal) -> Result<Self, NetworkError> {
        let mut last = NetworkError::NoSubnet;
        for _ in 0..ATTEMPTS {
            let in_use = run("ip", &["-4", "-o", "address", "show"])?;
            let subnet = [198, fastrand::u8(18..=19), fastrand::u8(..)];
            let tag = format!("{:06x}", fastrand::u32(..0x100_0000));
            let bridge = Self {
                name: format!("fleet{tag}"),
                tag,
                subnet,
            };
            if in_use.contains(&format!(" {}", bridge.prefix())) {
                continue;
            }
            journal.write(&Entry::Interface {
                name: bridge.name.clone(),
            })?;
            match bridge.set_up() {
                Ok(()) => return Ok(bridge),
                // Another testbed may have taken the name between the look and the leap.
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// The host's address on the bridge: what devices reach the bus at.
    pub(crate) fn host_ip(&self) -> Ipv4Addr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, 1)
    }

    /// The address of the device with this number, which starts at 0.
    pub(crate) fn device_ip(&self, number: u8) -> Ipv4Addr {
        let [a, b, c] = self.subnet;
        Ipv4Addr::new(a, b, c, number.saturating_add(10))
    }

    /// The host's end of the device's cable.
    pub(crate) fn cable(&self, number: u8) -> String {
        format!("fd{}-{number}", self.tag)
    }

    /// Connects the network namespace of process `init` as the device with this number.
    pub(crate) fn attach(
        &self,
        number: u8,
        init: u32,
        journal: &Journal,
    ) -> Result<(), NetworkError> {
        let (cable, pid) = (self.cable(number), init.to_string());
        let address = format!("{}/24", self.device_ip(number));
        let gateway = self.host_ip().to_string();
        // The same hardware address after every reboot, as on a real machine; a new one would be
        // unreachable until the host's neighbour entry expires.
        let [_, b, c] = self.subnet;
        let mac = format!("02:f1:ee:{b:02x}:{c:02x}:{number:02x}");
        // After a power cut the old pair lives until the kernel has taken its namespace apart.
        if std::path::Path::new("/sys/class/net").join(&cable).exists() {
            let _ = run("ip", &["link", "delete", &cable]);
        }
        journal.write(&Entry::Interface {
            name: cable.clone(),
        })?;
        run(
            "ip",
            &[
                "link", "add", &cable, "type", "veth", "peer", "name", "eth0", "address", &mac,
                "netns", &pid,
            ],
        )?;
        run("ip", &["link", "set", &cable, "master", &self.name, "up"])?;
        let namespace = format!("--net=/proc/{pid}/ns/net");
        for command in [
            vec!["ip", "address", "add", &address, "dev", "eth0"],
            vec!["ip", "link", "set", "eth0", "up"],
            vec!["ip", "route", "add", "default", "via", &gateway],
        ] {
            run(
                "nsenter",
                &[vec![namespace.as_str(), "--"], command].concat(),
            )?;
        }
        Ok(())
    }

    /// Pulls or plugs the device's cable.
    pub(crate) fn set_cable(&self, number: u8, cable: Cable) -> Result<(), NetworkError> {
        let state = match cable {
            Cable::Plugged => "up",
            Cable::Pulled => "down",
        };
        run("ip", &["link", "set", &self.cable(number), state]).map(drop)
    }

    fn prefix(&self) -> String {
        let [a, b, c] = self.subnet;
        format!("{a}.{b}.{c}.")
    }

    fn set_up(&self) -> Result<(), NetworkError> {
        run("ip", &["link", "add", &self.name, "type", "bridge"])?;
        let address = format!("{}/24", self.host_ip());
        run("ip", &["address", "add", &address, "dev", &self.name])?;
        run("ip", &["link", "set", &self.name, "up"]).map(drop)
    }
}

/// Whether a device is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cable {
    Plugged,
    Pulled,
}

/// Runs a command and gives its output; what it says on failure is in the error.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<String, NetworkError> {
    let command = || format!("{program} {}", args.join(" "));
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| NetworkError::Start {
            command: command(),
            source,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(NetworkError::Command {
        command: command(),
        output: text,
    })
}
