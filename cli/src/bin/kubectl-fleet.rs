//! `kubectl fleet`: kubectl runs what it finds on PATH under this name.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::main()
}
