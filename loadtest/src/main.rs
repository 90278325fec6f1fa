//! `fleet-loadtest`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use fleet_loadtest::args::{Cli, Command, RunArgs};
use fleet_loadtest::compare::{Sides, Verdict, reports};
use fleet_loadtest::plot::pages::{pages, write};
use fleet_loadtest::progress::Progress;
use fleet_loadtest::run;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => measure(args).await,
        Command::Compare { paths } => compare(&paths),
        Command::Report { paths, out } => draw(&paths, &out),
    }
}

async fn measure(args: RunArgs) -> anyhow::Result<ExitCode> {
    let parameters = args.parameters().unwrap_or_else(|refused| refused.exit());
    let (progress, stop) = (Arc::new(Progress::stderr()), CancellationToken::new());
    let told = stop.clone();
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        told.cancel();
    });
    let running = run::run(parameters, Arc::clone(&progress), stop);
    let report = Box::pin(running).await?;
    let path = report.save(&args.out)?;
    progress.say(&format!("report: {}", path.display()));
    println!("{}", report.line());
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn compare(paths: &[PathBuf]) -> anyhow::Result<ExitCode> {
    let sides = Sides::read(paths)?;
    let lines = sides.compare();
    println!(
        "{} before, {} after; p: how likely the difference is by chance",
        sides.before.len(),
        sides.after.len()
    );
    for line in &lines {
        println!(
            "{:<12} {:>12.2} -> {:>12.2}  p {:.3}  {}",
            format!("{:?}", line.verdict),
            line.before,
            line.after,
            line.p,
            line.figure
        );
    }
    println!("{}", serde_json::to_string(&lines)?);
    let worse = lines.iter().any(|line| line.verdict == Verdict::Worse);
    Ok(if worse {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn draw(paths: &[PathBuf], out: &Path) -> anyhow::Result<ExitCode> {
    let mut all = Vec::new();
    for path in paths {
        all.extend(reports(path)?);
    }
    let files = pages(&all);
    write(&files, out)?;
    println!("{} files in {}", files.len(), out.display());
    Ok(ExitCode::SUCCESS)
}
