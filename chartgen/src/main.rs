//! `fleet-chartgen`: writes, packs and lints charts.

mod lint;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use chartgen::RenderedChart;
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
    Package(PackageArgs),
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

#[derive(Debug, Args)]
struct PackageArgs {
    /// Where the packages go
    #[arg(long, value_name = "DIR", default_value = "target/charts")]
    out: PathBuf,
    /// The time of all files in the packages, in seconds since 1970
    #[arg(
        long,
        value_name = "SECONDS",
        env = "SOURCE_DATE_EPOCH",
        default_value_t = 0
    )]
    mtime: u64,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        None => render(&cli.render),
        Some(Command::Render(args)) => render(args),
        Some(Command::Package(args)) => package(args),
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

fn package(args: &PackageArgs) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    for chart in fleet_chartgen::charts()? {
        let path = pack(&chart, args)?;
        println!("{}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn pack(chart: &RenderedChart, args: &PackageArgs) -> anyhow::Result<PathBuf> {
    let package = chartgen::package(&chart.files, &chart.name, &chart.version, args.mtime)?;
    let path = args.out.join(package.file_name);
    std::fs::write(&path, package.bytes)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
