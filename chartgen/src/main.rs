//! `fleet-chartgen`: writes, packs and lints charts.

mod lint;
mod package;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// The charts of fleet-platform, written from Rust.
#[derive(Debug, Parser)]
#[command(
    name = "fleet-chartgen",
    version,
    args_conflicts_with_subcommands = true
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    render: RenderArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write the charts (the default)
    Render(RenderArgs),
    /// Pack the charts; the same bytes whenever and wherever it is done
    #[command(after_help = package::EXAMPLES)]
    Package(package::PackageArgs),
    /// Check rendered manifests, of these charts or any others
    #[command(after_help = lint::EXAMPLES)]
    Lint(lint::LintArgs),
}

#[derive(Debug, Args)]
struct RenderArgs {
    /// Write nothing; fail if what is there differs
    #[arg(long)]
    check: bool,
    /// The folder of the charts
    #[arg(long, value_name = "DIR", default_value = "charts")]
    out: PathBuf,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        None => render(&cli.render),
        Some(Command::Render(args)) => render(args),
        Some(Command::Package(args)) => package::run(args),
        Some(Command::Lint(args)) => lint::run(args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn render(args: &RenderArgs) -> anyhow::Result<ExitCode> {
    let mut same = true;
    for chart in fleet_chartgen::charts()? {
        let folder = args.out.join(&chart.name);
        if args.check {
            let drift = chart.diff(&folder)?;
            if !drift.is_empty() {
                same = false;
                eprintln!("{}:\n{drift}", folder.display());
            }
        } else {
            chart.write_to(&folder)?;
            println!("{}: {} files", folder.display(), chart.files.len());
        }
    }
    if same {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("error: the charts differ from their definitions in Rust; run `make generate`");
    Ok(ExitCode::FAILURE)
}
