//! The command line.

mod args;
mod fleet;
mod image;
mod login;
mod preflight;
mod promote;
mod remove;
mod setup;
mod shown;
mod table;
mod view;
mod vm;
mod wait;

pub use args::{Args, Command};
pub use image::{ImageArgs, Verified};
pub use preflight::PreflightArgs;
pub use promote::PromoteArgs;
pub use remove::RemoveArgs;
pub use setup::SetupArgs;
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
        Command::Setup(args) => told(setup::run(&args, args.plan).await, setup::Failure::reason),
        Command::Plan(args) => told(setup::run(&args, true).await, setup::Failure::reason),
        Command::Remove(args) => told(remove::run(&args).await, setup::Failure::reason),
        Command::Vm(args) => told(vm::run(&args).await, |f| vm::Failure::reason(f)),
        Command::Image(args) => told(image::run(&args).await, |f| image::Failure::reason(f)),
        Command::Promote(args) => told(promote::run(&args).await, |f| HostError::reason(f)),
        Command::Preflight(args) => told(preflight::run(&args).await, |f| {
            preflight::Failure::reason(f)
        }),
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
    reason: impl Fn(&E) -> &str,
) -> Result<(), String> {
    ended.map_err(|failure| format!("{}: {}", reason(&failure), chain(&failure)))
}
