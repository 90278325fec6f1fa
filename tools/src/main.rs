//! `fleet-tools`: makes the third-party servers ready, and says where they are.

use std::time::Instant;

use anyhow::Result;
use clap::{Parser, Subcommand};
use fleet_tools::{Cache, Debian, Profile, Tool, ensure};

/// Pinned builds of the third-party servers that tests and demo run.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make tools ready, building what is missing.
    Ensure {
        /// Only this set of tools: walking, node, charts, identity, providers, gitops or alerts. If
        /// none is named: all that this machine has what it takes for, but those of the last two.
        #[arg(long)]
        profile: Option<Profile>,
    },
    /// Show every tool, its version and its place in the cache.
    List,
    /// Make one tool ready and print its path alone.
    Path {
        /// The tool's name, for example kubectl.
        name: Tool,
    },
    /// Make the disk image that virtual machines of demo and tests begin with, unless it is there, and print its
    /// path alone.
    VmImage {
        /// The processor: `x86_64` or `aarch64`.
        #[arg(value_parser = ["x86_64", "aarch64"])]
        architecture: String,
    },
}

fn main() -> Result<()> {
    match Args::parse().command {
        Command::Ensure { profile } => {
            let start = Instant::now();
            let tools = profile.map_or_else(all_supported, |profile| profile.tools().to_vec());
            ensure(&tools, &mut |event| {
                eprintln!("[{:>4} s] {event}", start.elapsed().as_secs());
            })?;
        }
        Command::List => list(),
        Command::Path { name } => {
            let toolbox = ensure(&[name], &mut |event| eprintln!("{event}"))?;
            println!("{}", toolbox.path(name)?.display());
        }
        Command::VmImage { architecture } => {
            println!("{}", Debian::Image.ensure(&architecture)?.display());
        }
    }
    Ok(())
}

/// All tools but those for which one has to ask, and those that cannot be had here, which are named.
fn all_supported() -> Vec<Tool> {
    let cache = Cache::from_env();
    let supported = |tool: &Tool| match tool.supported(&cache) {
        Ok(()) => true,
        Err(why) => {
            eprintln!("skipped: {tool}: {why}");
            false
        }
    };
    let always = Tool::ALL.into_iter().filter(|tool| !tool.on_request());
    always.filter(supported).collect()
}

fn list() {
    let cache = Cache::from_env();
    println!("{:<24} {:<8} CACHED", "NAME", "VERSION");
    for tool in Tool::ALL {
        let cached = cache
            .find(tool)
            .map_or("-".to_owned(), |path| path.display().to_string());
        println!("{:<24} {:<8} {cached}", tool.name(), tool.version());
    }
}
