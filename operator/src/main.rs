//! `fleet-operator`: which of its commands to run.

use std::io::Write as _;
use std::process::ExitCode;

use fleet_operator::args::{Cli, Command, RunArgs};
use fleet_service::start::{install_tls_provider, stop_on_signals};

fn main() -> ExitCode {
    let command = Cli::from_command_line(std::env::args_os()).command;
    fleet_service::ended(run(command))
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Crds => {
            let yaml = fleet_api::crds_yaml()?;
            std::io::stdout().write_all(yaml.as_bytes())?;
            Ok(())
        }
        Command::Run(args) => start(*args),
    }
}

#[tokio::main]
async fn start(args: RunArgs) -> anyhow::Result<()> {
    args.log_format.init();
    install_tls_provider()?;
    fleet_operator::run(args, stop_on_signals()?).await?;
    Ok(())
}
