//! The command line.

mod args;
mod image;
mod preflight;
mod promote;
mod setup;
mod shown;
mod vm;

pub use args::{Args, Command, SetupArgs};
pub use image::{ImageArgs, Verified};
pub use preflight::PreflightArgs;
pub use promote::PromoteArgs;
pub use vm::{VmArgs, VmCommand};

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use fleet_service::{LogFormat, chain};

use crate::host::HostError;

/// Runs what the command line asks for.
pub async fn run() -> ExitCode {
    let args = Args::parse();
    LogFormat::Text.init();
    // Reason and causes, of whichever subcommand it was.
    let ended = match args.command {
        Command::Setup(args) => told(setup::run(&args).await, setup::Failure::reason),
        Command::Vm(args) => told(vm::run(&args).await, vm::Failure::reason),
        Command::Image(args) => told(image::run(&args).await, image::Failure::reason),
        Command::Promote(args) => told(promote::run(&args).await, HostError::reason),
        Command::Preflight(args) => told(preflight::run(&args).await, preflight::Failure::reason),
        Command::Completion { shell } => {
            let (mut command, mut out) = (Args::command(), std::io::stdout());
            clap_complete::generate(shell, &mut command, "fleet-devices", &mut out);
            return ExitCode::SUCCESS;
        }
    };
    fleet_service::ended(ended)
}

/// What went wrong, for people, with its stable reason first.
fn told<E: std::error::Error + 'static>(
    ended: Result<(), E>,
    reason: impl Fn(&E) -> &'static str,
) -> Result<(), String> {
    ended.map_err(|failure| format!("{}: {}", reason(&failure), chain(&failure)))
}
