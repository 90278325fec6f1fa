use clap::{Parser, Subcommand};

use super::image::ImageArgs;
use super::preflight::PreflightArgs;
use super::promote::PromoteArgs;
use super::remove::RemoveArgs;
use super::setup::SetupArgs;
use super::vm::VmArgs;

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
    /// Make devices of Linux hosts: packages, user, agent, enrolment
    ///
    /// Looks first and changes only what is different; it can be run again at any time, and goes on where it
    /// failed. Another agent than before replaces the one that runs, without its containers noticing.
    Setup(Box<SetupArgs>),
    /// Say what `setup` would change, and change nothing
    Plan(Box<SetupArgs>),
    /// Take away from a host what `setup` made: agent, containers, user, files
    Remove(Box<RemoveArgs>),
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
