//! Runs every attack that must fail, and counts them; `make attacks`.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use fleet_e2e::attacks::{Attack, attacks, run};

/// Tries all attacks and prints which was refused by what. Fails when one succeeds, has no test, or
/// was skipped.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Only attacks whose name holds this.
    filter: Option<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = Args::parse().filter.unwrap_or_default();
    let chosen = |attack: &Attack| attack.name.contains(&filter);
    let attacks: Vec<_> = attacks().filter(chosen).collect();
    let start = Instant::now();
    let report = match run(&attacks, |line| eprintln!("{line}")).await {
        Ok(report) => report,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::FAILURE;
        }
    };
    let seconds = start.elapsed().as_secs();
    println!("{}; {seconds} s", report.table(&attacks));
    if report.all_refused(&attacks) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
