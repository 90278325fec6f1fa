//! The device agent.

use std::process::ExitCode;

use anyhow::Context as _;
use fleet_agent::cli::{self, Command};
use fleet_agent::config::Config;
use fleet_agent::logging;

fn main() -> ExitCode {
    match start() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet-agent: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start() -> anyhow::Result<()> {
    match cli::parse(std::env::args().skip(1))? {
        Command::Help => print!("{}", cli::HELP),
        Command::Version => println!("fleet-agent {}", env!("CARGO_PKG_VERSION")),
        Command::CheckConfig => {
            let path = Config::path();
            let config = Config::load(&path)?;
            fleet_agent::check(&config)?;
            println!(
                "{} is valid for device {}",
                path.display(),
                config.device_id
            );
        }
        Command::Enrol(enrol) => {
            let written = Config::path();
            event_loop()?.block_on(fleet_agent::enrol::run(&enrol, &written))?;
        }
        Command::Rotate(when) => {
            logging::init();
            event_loop()?.block_on(fleet_agent::rotate::run(when, &Config::path()))?;
        }
        Command::RotateForAgent => {
            logging::init();
            event_loop()?.block_on(fleet_agent::rotate::run_for_agent(&Config::path()))?;
        }
        Command::Mint => {
            logging::init();
            event_loop()?.block_on(fleet_agent::mint())?;
        }
        Command::Run => {
            logging::init();
            let config = Config::load(&Config::path())?;
            event_loop()?.block_on(fleet_agent::run(config))?;
        }
    }
    Ok(())
}

fn event_loop() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // Only fsync of the ledger, reading /proc, name lookups and signing happen off the loop.
        .max_blocking_threads(2)
        .thread_stack_size(256 * 1024)
        .build()
        .context("cannot start the event loop")
}
