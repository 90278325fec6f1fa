//! `fleet`.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::main()
}
