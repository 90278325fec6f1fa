//! `fleet-devices`: from a bare machine to a member of a fleet.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    fleet_devices::cli::run().await
}
