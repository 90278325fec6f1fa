//! `fleet-check`: which of its commands to run.

use std::process::ExitCode;

use clap::Parser as _;
use fleet_check::args::{Cli, Command, RoundTripArgs};
use fleet_check::round_trip;
use fleet_service::start::{install_tls_provider, stop_on_signals};

fn main() -> ExitCode {
    let Command::RoundTrip(args) = Cli::parse().command;
    match round_trip(&args) {
        Ok(outcome) if outcome.is_good() => ExitCode::SUCCESS,
        // Each line of it was printed as it happened.
        Ok(_) => ExitCode::FAILURE,
        Err(error) => fleet_service::ended(Err(error)),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn round_trip(args: &RoundTripArgs) -> Result<round_trip::Outcome, round_trip::StartError> {
    install_tls_provider()?;
    let stop = stop_on_signals()?;
    // On the heap: it is one large future over all steps.
    Box::pin(round_trip::run(args, &stop)).await
}
