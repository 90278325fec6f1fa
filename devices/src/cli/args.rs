use std::path::PathBuf;

use clap::{Parser, Subcommand};

use super::image::ImageArgs;
use super::preflight::PreflightArgs;
use super::promote::PromoteArgs;
use super::vm::VmArgs;
use crate::host::Address;

/// Machines, from bare to members of a fleet.
#[derive(Debug, Parser)]
#[command(name = "fleet-devices", version, about)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a device of a Linux host: packages, user, agent, enrolment
    ///
    /// Looks first and changes only what is different; it can be run again at any time, and goes on where it
    /// failed. With --plan it only looks, and says what it would change.
    Setup(Box<SetupArgs>),
    /// Cloud images for virtual machines
    Image(ImageArgs),
    /// Whether this machine, or a libvirt, can run virtual machines, and what to do if not
    ///
    /// Changes nothing. Exits with 1 where something is missing.
    Preflight(PreflightArgs),
    /// Make a host of virtual machines of a Linux host: QEMU, firmware, libvirt and its network
    ///
    /// Looks first and changes only what is different; it can be run again at any time. With --plan it only
    /// looks, and says what it would change.
    Promote(PromoteArgs),
    /// Virtual machines that become devices
    Vm(VmArgs),
    /// Print a completion script
    Completion {
        /// For which shell
        shell: clap_complete::Shell,
    },
}

/// What makes a device of a host.
#[derive(Debug, clap::Args)]
pub struct SetupArgs {
    /// The host: user@address, user@address:port; `local` is this machine
    #[arg(long, value_name = "USER@ADDRESS[:PORT]")]
    pub host: Target,

    /// The agent, built for the host's processor; once for each processor there is
    #[arg(long = "agent", value_name = "FILE", required = true)]
    pub agents: Vec<PathBuf>,

    /// The agent's configuration; without it an empty one, for the enrolment says what an agent needs
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// The enrolment service, https://
    #[arg(long, value_name = "URL", requires = "enrol_token_file")]
    pub enrol_url: Option<String>,

    /// What allows the device to ask, in a file
    #[arg(long, value_name = "FILE", requires = "enrol_url")]
    pub enrol_token_file: Option<PathBuf>,

    /// Certificates of the enrolment service to trust instead of the system's
    #[arg(long, value_name = "FILE", requires = "enrol_url")]
    pub enrol_ca_file: Option<PathBuf>,

    /// Who to be; without it the fleet decides
    #[arg(long, value_name = "ID", requires = "enrol_url")]
    pub device_id: Option<String>,

    /// A label to carry; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", requires = "enrol_url")]
    pub labels: Vec<String>,

    /// The private key to log in with. A password is taken from `FLEET_SSH_PASSWORD`, and one for sudo from
    /// `FLEET_SUDO_PASSWORD`
    #[arg(long, value_name = "FILE", default_value_os_t = default_key())]
    pub identity: PathBuf,

    /// Keys of hosts that are known, as OpenSSH keeps them
    #[arg(long, value_name = "FILE", default_value_os_t = default_known_hosts())]
    pub known_hosts: PathBuf,

    /// Believe a host that was never seen, and keep its key
    #[arg(long)]
    pub accept_new_host_key: bool,

    /// Only look, and say what would be changed
    #[arg(long)]
    pub plan: bool,
}

/// Where to.
#[derive(Debug, Clone)]
pub enum Target {
    /// This machine.
    Local,
    /// Another, by SSH.
    Remote(Address),
}

impl std::str::FromStr for Target {
    type Err = crate::host::InvalidAddress;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "local" {
            return Ok(Self::Local);
        }
        text.parse().map(Self::Remote)
    }
}

fn ssh_folder() -> PathBuf {
    std::env::home_dir().unwrap_or_default().join(".ssh")
}

pub(super) fn default_key() -> PathBuf {
    ssh_folder().join("id_ed25519")
}

pub(super) fn default_known_hosts() -> PathBuf {
    ssh_folder().join("known_hosts")
}
