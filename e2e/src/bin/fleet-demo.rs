//! The whole platform with two devices, to play with (`fleet-demo`) or to check (`--auto`).

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use clap::Parser;
use fleet_e2e::{Platform, menu, regression};
use fleet_tools::Tool;

/// Starts the whole platform with two devices on this machine and stops it on Ctrl-C.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    /// Run the regression instead of waiting for a person: apply, upgrade, move, power cut, delete.
    #[arg(long)]
    auto: bool,
    /// The testbed's name.
    #[arg(long, default_value = "demo")]
    name: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(&Args::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &Args) -> anyhow::Result<()> {
    let start = Instant::now();
    let say = |step: &str| println!("[{:6.1} s] {step}", start.elapsed().as_secs_f64());
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    let platform = tokio::select! {
        started = start_platform(args, say) => started?,
        _ = &mut interrupted => {
            say("interrupted");
            return Ok(());
        }
    };
    say("ready");
    if args.auto {
        tokio::select! {
            done = regression::run(&platform, say) => done.context("the regression failed")?,
            _ = &mut interrupted => anyhow::bail!("interrupted"),
        }
        say("everything worked");
        return Ok(());
    }
    println!("{}", menu::menu(&platform, &binaries()?, &kubectl()?)?);
    println!("Ctrl-C stops everything.");
    interrupted.await.context("failed to wait for Ctrl-C")?;
    say("stopping");
    Ok(())
}

async fn start_platform(args: &Args, say: impl Fn(&str)) -> Result<Platform, fleet_e2e::Error> {
    let platform = Platform::start(&args.name, &regression::DEVICES, &say).await?;
    if !args.auto {
        say("labelling both devices site=here");
        for device in regression::DEVICES {
            platform.label(device, "site", Some("here")).await?;
        }
    }
    Ok(platform)
}

fn binaries() -> anyhow::Result<PathBuf> {
    let program = std::env::current_exe().context("failed to find this program's folder")?;
    Ok(program.parent().map(PathBuf::from).unwrap_or_default())
}

fn kubectl() -> anyhow::Result<PathBuf> {
    let toolbox = fleet_tools::ensure(&[Tool::Kubectl], &mut |_| {})?;
    Ok(toolbox
        .path(Tool::Kubectl)
        .map(PathBuf::from)
        .unwrap_or_default())
}
