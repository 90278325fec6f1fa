use std::num::{NonZeroU16, NonZeroU32};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use fleet_devices_core::VmArchitecture;
use fleet_devices_core::architecture::UnknownArchitecture;
use fleet_devices_core::vm::{Forward, ImageReference, KvmHost, VmName};

use crate::cli::image::Verified;

/// Virtual machines.
#[derive(Debug, Args)]
pub struct VmArgs {
    /// Have this libvirt run them, instead of starting QEMU: `qemu:///system`, where they have addresses of their
    /// own, or `qemu:///session`
    #[arg(long, value_name = "URI", global = true)]
    pub libvirt: Option<KvmHost>,

    /// What to do
    #[command(subcommand)]
    pub command: VmCommand,
}

/// What to do with virtual machines.
#[derive(Debug, Subcommand)]
pub enum VmCommand {
    /// Make sure that a machine is there as asked for, and wait until somebody can log in
    ///
    /// It can be run again at any time: a machine that is different is defined anew, and one that is off is
    /// started. With --plan it only says what it would do.
    Create(Box<CreateArgs>),
    /// Show the machines there are
    List(ListArgs),
    /// End a machine and remove its disk and all else it has
    Delete(NameArgs),
    /// Show what a machine says on its console, and type there
    Console(ConsoleArgs),
    /// Run a program in a machine, and say what it says
    Exec(ExecArgs),
    /// Cut a machine's power, start it again, and wait until it is up
    ///
    /// What it has not written to its disk is lost, as with the plug of a real machine.
    PowerCycle(PowerCycleArgs),
}

/// A machine as it should be.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The machine
    #[arg(value_name = "NAME")]
    pub name: VmName,

    /// The disk image to begin with: a name of `fleet-devices image list`, https://…, or a file, qcow2 or raw,
    /// with cloud-init; it is read and never changed
    #[arg(long, value_name = "IMAGE")]
    pub image: ImageReference,

    /// What the image must be
    #[command(flatten)]
    pub verified: Verified,

    /// The processor: `x86_64` or `aarch64`; `auto` is this machine's own
    #[arg(long, default_value = "auto")]
    pub arch: Arch,

    /// Virtual processors
    #[arg(long, value_name = "N", default_value = "2")]
    pub cpus: NonZeroU16,

    /// Memory, in MiB
    #[arg(long, value_name = "MIB", default_value = "1024")]
    pub memory: NonZeroU32,

    /// How large the disk seems to the machine, in GiB; it takes what is written
    #[arg(long, value_name = "GIB", default_value = "16")]
    pub disk: NonZeroU32,

    /// A public key that may log in, beside ours; may be repeated. A password for the administrator is taken from
    /// `FLEET_VM_ADMIN_PASSWORD`, if it is set
    #[arg(long = "ssh-key", value_name = "FILE")]
    pub ssh_keys: Vec<PathBuf>,

    /// The port of 127.0.0.1 that leads to the machine's SSH; without it, a free one is taken and kept
    #[arg(long, value_name = "PORT")]
    pub ssh_port: Option<NonZeroU16>,

    /// A port of 127.0.0.1 that leads to one of the machine's; may be repeated
    #[arg(long = "forward", value_name = "HOST:GUEST", value_parser = forward)]
    pub forwards: Vec<Forward>,

    /// Only say what would be done
    #[arg(long)]
    pub plan: bool,

    /// How long to wait
    #[command(flatten)]
    pub wait: WaitArgs,
}

/// How long to wait for a machine.
#[derive(Debug, Clone, Copy, Args)]
pub struct WaitArgs {
    /// Do not wait until somebody can log in
    #[arg(long)]
    pub no_wait: bool,

    /// How long to wait for that, in seconds; without it, as long as the processor and its emulation may take
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    pub timeout: Option<u64>,
}

/// Which processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arch {
    /// This machine's own.
    Auto,
    /// This one.
    Is(VmArchitecture),
}

impl Arch {
    /// The processor that is meant.
    pub(super) const fn resolved(self) -> VmArchitecture {
        match self {
            Self::Is(architecture) => architecture,
            Self::Auto if cfg!(target_arch = "aarch64") => VmArchitecture::Aarch64,
            Self::Auto => VmArchitecture::X86_64,
        }
    }
}

impl std::str::FromStr for Arch {
    type Err = UnknownArchitecture;

    fn from_str(text: &str) -> Result<Self, UnknownArchitecture> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        text.parse().map(Self::Is)
    }
}

fn forward(text: &str) -> Result<Forward, String> {
    let ports = text.split_once(':');
    let ports = ports.and_then(|(host, guest)| {
        Some(Forward {
            host: host.parse().ok()?,
            guest: guest.parse().ok()?,
        })
    });
    ports.ok_or_else(|| "write two ports, such as 8080:80".to_owned())
}

/// One machine.
#[derive(Debug, Args)]
pub struct NameArgs {
    /// The machine
    #[arg(value_name = "NAME")]
    pub name: VmName,
}

/// How to show machines.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// How
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ListFormat,
}

/// How to show machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ListFormat {
    /// A line each
    Table,
    /// For programs
    Json,
}

/// A machine's console.
#[derive(Debug, Args)]
pub struct ConsoleArgs {
    /// The machine
    #[arg(value_name = "NAME")]
    pub name: VmName,

    /// Only show what it has said since it was started
    #[arg(long)]
    pub log: bool,
}

/// A program in a machine.
#[derive(Debug, Args)]
pub struct ExecArgs {
    /// The machine
    #[arg(value_name = "NAME")]
    pub name: VmName,

    /// As root, by sudo
    #[arg(long)]
    pub root: bool,

    /// Hand on what stands in standard input, to its end
    #[arg(short = 'i', long)]
    pub stdin: bool,

    /// The program and its arguments; no shell reads them
    #[arg(last = true, required = true, value_name = "PROGRAM")]
    pub words: Vec<String>,
}

/// A machine whose power is cut.
#[derive(Debug, Args)]
pub struct PowerCycleArgs {
    /// The machine
    #[arg(value_name = "NAME")]
    pub name: VmName,

    /// How long to wait
    #[command(flatten)]
    pub wait: WaitArgs,
}
