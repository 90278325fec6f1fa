//! The commands.

mod down;
mod env;
mod logs;
mod status;
mod up;

use std::io::{self, Write as _};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use fleet_testbed::Overview;

/// Runs the embedded platform: real servers and podman devices as processes.
#[derive(Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start a platform and keep it running until Ctrl-C.
    Up(up::UpArgs),
    /// Stop a platform that another terminal started, or clean up after a crashed one.
    Down(down::DownArgs),
    /// Show all platforms and what runs in them.
    Status,
    /// Print the output of one component.
    Logs(logs::LogsArgs),
    /// Print shell lines that point clients at a platform: eval "$(fleet-testbed env NAME)".
    Env {
        /// The platform; not needed when only one runs.
        name: Option<String>,
    },
}

/// Prints a line. One that reads no further, such as `head`, has what it wanted.
fn say(line: impl std::fmt::Display) {
    let _ = writeln!(io::stdout(), "{line}");
}

pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        Command::Up(args) => up::run(&args),
        Command::Down(args) => down::run(&args),
        Command::Status => {
            status::run();
            Ok(())
        }
        Command::Logs(args) => logs::run(&args),
        Command::Env { name } => env::run(name.as_deref()),
    }
}

/// The platform of this name, with or without its random ending; the only one, if none is named.
fn choose(name: Option<&str>) -> Result<Overview> {
    let mut all = Overview::all();
    all.retain(|bed| bed.owner().is_some() || name.is_some());
    if let Some(name) = name {
        let named = |bed: &Overview| {
            bed.name() == name
                || bed
                    .name()
                    .rsplit_once('-')
                    .is_some_and(|(stem, _)| stem == name)
        };
        all.retain(named);
    }
    let what = name.map_or("a running platform".to_owned(), |name| format!("{name:?}"));
    let names: Vec<&str> = all.iter().map(Overview::name).collect();
    anyhow::ensure!(
        names.len() < 2,
        "more than one fits, name it: {}",
        names.join(", ")
    );
    all.pop()
        .with_context(|| format!("cannot find {what}; `fleet-testbed status` shows all"))
}
