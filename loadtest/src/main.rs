//! `fleet-loadtest`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;
use fleet_loadtest::args::{Cli, Command, RunArgs};
use fleet_loadtest::compare::{Sides, Verdict, reports};
use fleet_loadtest::plot::flame::Frame;
use fleet_loadtest::plot::pages::{pages, write};
use fleet_loadtest::progress::Progress;
use fleet_loadtest::{Error, Report, capacity, run};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().command {
        Command::Run(args) => measure(args).await,
        Command::Compare { paths } => compare(&paths),
        Command::Report { paths, out } => draw(&paths, &out),
        Command::Flame { title, out } => flame(&title, &out),
        Command::Capacity { paths, page } => foretell(&paths, &page),
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

fn read(paths: &[PathBuf]) -> Result<Vec<Report>, Error> {
    let read = paths.iter().map(|path| reports(path));
    Ok(read.collect::<Result<Vec<_>, _>>()?.concat())
}

fn flame(title: &str, out: &Path) -> anyhow::Result<ExitCode> {
    let script = std::io::read_to_string(std::io::stdin())?;
    let frames = Frame::from_perf_script(&script);
    anyhow::ensure!(
        frames.samples() > 0,
        "no stack on standard input: give it what `perf script` prints of a recording made with `perf record -g`"
    );
    std::fs::write(out, frames.svg(title)).map_err(Error::file(out))?;
    println!("{} samples in {}", frames.samples(), out.display());
    Ok(ExitCode::SUCCESS)
}

fn foretell(paths: &[PathBuf], page: &Path) -> anyhow::Result<ExitCode> {
    let blocks = capacity::blocks(&read(paths)?);
    let text = std::fs::read_to_string(page).map_err(Error::file(page))?;
    let text = capacity::fill(&text, &blocks)?;
    std::fs::write(page, text).map_err(Error::file(page))?;
    for (_, table) in blocks {
        println!("{table}");
    }
    Ok(ExitCode::SUCCESS)
}

fn draw(paths: &[PathBuf], out: &Path) -> anyhow::Result<ExitCode> {
    let files = pages(&read(paths)?);
    write(&files, out)?;
    println!("{} files in {}", files.len(), out.display());
    Ok(ExitCode::SUCCESS)
}
