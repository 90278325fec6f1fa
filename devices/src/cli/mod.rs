//! The command line.

mod args;
mod setup;
mod shown;

pub use args::{Args, Command, SetupArgs};

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use fleet_service::{LogFormat, chain};

/// Runs what the command line asks for.
pub async fn run() -> ExitCode {
    let args = Args::parse();
    LogFormat::Text.init();
    let ended = match args.command {
        Command::Setup(args) => setup::run(&args).await,
        Command::Completion { shell } => {
            let (mut command, mut out) = (Args::command(), std::io::stdout());
            clap_complete::generate(shell, &mut command, "fleet-devices", &mut out);
            return ExitCode::SUCCESS;
        }
    };
    fleet_service::ended(ended.map_err(|failure| {
        let (reason, failure) = (failure.reason(), chain(&failure));
        format!("{reason}: {failure}")
    }))
}
