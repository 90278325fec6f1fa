//! `fleet-devices vm`.

mod args;
mod console;
mod create;
mod exec;
mod list;

pub use args::{VmArgs, VmCommand};

use fleet_devices_core::vm::SeedError;
use fleet_devices_core::vm::preflight::Backend;
use fleet_files::dirs::DirsError;
use fleet_output::{OutputError, tell};

use self::args::NameArgs;
use crate::host::TransportError;
use crate::key_pair::KeyPairError;
use crate::preflight::Missed;
use crate::vm::{BootError, Folders, LibvirtHost, PlainQemuHost, VirtualMachineHost, VmError};

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error(transparent)]
    Folders(#[from] DirsError),
    #[error(transparent)]
    Vm(#[from] VmError),
    #[error(transparent)]
    Boot(#[from] BootError),
    #[error(transparent)]
    Image(#[from] super::image::Failure),
    #[error(transparent)]
    Missed(#[from] Missed),
    #[error(transparent)]
    KeyPair(#[from] KeyPairError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error("cannot use the public key {path}: {told}")]
    PublicKey {
        path: std::path::PathBuf,
        told: String,
    },
    #[error(
        "{name} is off, and nobody answers on its console; `fleet-devices vm create` starts it"
    )]
    Off { name: String },
    #[error("failed to use the console of {name}")]
    Console {
        name: String,
        #[source]
        source: std::io::Error,
    },
    #[error(transparent)]
    Output(#[from] OutputError),
    #[error("cannot read standard input")]
    Input(#[source] std::io::Error),
    #[error(transparent)]
    Transport(#[from] TransportError),
    #[error("the program in {name} ended with status {status}")]
    Ended { name: String, status: u32 },
}

impl Failure {
    pub(super) const fn reason(&self) -> &'static str {
        match self {
            Self::Folders(error) => error.reason(),
            Self::Vm(error) => error.reason(),
            Self::Boot(error) => error.reason(),
            Self::Image(error) => error.reason(),
            Self::Missed(error) => error.reason(),
            Self::KeyPair(error) => error.reason(),
            Self::Seed(error) => error.reason(),
            Self::PublicKey { .. } => "InvalidKey",
            Self::Off { .. } => "Off",
            Self::Console { .. } => "Console",
            Self::Output(_) => "Output",
            Self::Input(_) => "Input",
            Self::Transport(error) => error.reason(),
            Self::Ended { .. } => "Ended",
        }
    }
}

pub(super) async fn run(args: &VmArgs) -> Result<(), Failure> {
    let folders = Folders::of_user()?;
    let (backend, command) = (backend(args), &args.command);
    match &args.libvirt {
        None => on(&PlainQemuHost::new(&folders)?, backend, &folders, command).await,
        Some(uri) => {
            let host = LibvirtHost::new(uri.clone(), &folders)?;
            on(&host, backend, &folders, command).await
        }
    }
}

fn backend(args: &VmArgs) -> Backend {
    args.libvirt.clone().map_or(Backend::Qemu, Backend::Libvirt)
}

async fn on<H: VirtualMachineHost>(
    host: &H,
    backend: Backend,
    folders: &Folders,
    command: &VmCommand,
) -> Result<(), Failure> {
    match command {
        VmCommand::Create(args) => create::create(host, backend, folders, args).await,
        VmCommand::PowerCycle(args) => create::power_cycle(host, folders, args).await,
        VmCommand::List(args) => list::run(host, args).await,
        VmCommand::Console(args) => console::run(host, args).await,
        VmCommand::Exec(args) => exec::run(host, folders, args).await,
        VmCommand::Delete(NameArgs { name }) => {
            host.delete(name).await?;
            Ok(tell(format!("{:<10} machine {name}\n", "deleted"))?)
        }
    }
}
