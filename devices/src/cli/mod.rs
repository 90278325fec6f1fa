//! The command line.

mod args;
mod setup;
mod shown;
mod vm;

pub use args::{Args, Command, SetupArgs};
pub use vm::VmCommand;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use fleet_service::{LogFormat, chain};

/// Runs what the command line asks for.
pub async fn run() -> ExitCode {
    let args = Args::parse();
    LogFormat::Text.init();
    // Reason and causes, of whichever subcommand it was.
    let ended = match args.command {
        Command::Setup(args) => {
            let ended = setup::run(&args).await;
            ended.map_err(|failure| format!("{}: {}", failure.reason(), chain(&failure)))
        }
        Command::Vm(command) => {
            let ended = vm::run(&command).await;
            ended.map_err(|failure| format!("{}: {}", failure.reason(), chain(&failure)))
        }
        Command::Completion { shell } => {
            let (mut command, mut out) = (Args::command(), std::io::stdout());
            clap_complete::generate(shell, &mut command, "fleet-devices", &mut out);
            return ExitCode::SUCCESS;
        }
    };
    fleet_service::ended(ended)
}
