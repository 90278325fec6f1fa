//! The command line.

mod args;
mod setup;
mod shown;

pub use args::{Args, Command, SetupArgs};

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use fleet_service::chain;

/// Runs what the command line asks for.
pub async fn run() -> ExitCode {
    let args = Args::parse();
    let ended = match args.command {
        Command::Setup(args) => setup::run(&args).await,
        Command::Completion { shell } => {
            let (mut command, mut out) = (Args::command(), std::io::stdout());
            clap_complete::generate(shell, &mut command, "fleet-devices", &mut out);
            return ExitCode::SUCCESS;
        }
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {}: {}", failure.reason(), chain(&failure));
            ExitCode::FAILURE
        }
    }
}
