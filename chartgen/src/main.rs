//! `fleet-chartgen`: writes, packs and lints charts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use chartgen::RenderedChart;
use chartgen_lint::Options;
use clap::{Args, Parser, Subcommand, ValueEnum};

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
    #[command(after_help = LINT_EXAMPLES)]
    Lint(LintArgs),
}

const LINT_EXAMPLES: &str = "Examples:
  helm template web ./chart --output-dir rendered && fleet-chartgen lint rendered
  fleet-chartgen lint rendered --previous rendered-of-the-last-release
  fleet-chartgen lint rendered -o json

Exit codes: 0 nothing wrong, 1 something is wrong (or, with --strict, worth a warning).";

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

#[derive(Debug, Args)]
struct LintArgs {
    /// Folder with rendered manifests (.yaml, .yml, .json), as `helm template --output-dir` writes it
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The same of the release before: what an upgrade could not change is found by comparing
    #[arg(long, value_name = "DIR")]
    previous: Option<PathBuf>,
    /// The chart's own folder, to estimate the size of the release's Secret
    #[arg(long, value_name = "DIR")]
    chart: Option<PathBuf>,
    /// The namespace it is installed in
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// Rules to leave out, by the name shown in findings
    #[arg(long, value_name = "RULE", value_delimiter = ',')]
    ignore: Vec<chartgen_lint::Rule>,
    /// Do not check against OpenShift's restricted-v2
    #[arg(long)]
    no_openshift: bool,
    /// Definitions must be kept on uninstall, and from Argo CD's pruning
    #[arg(long)]
    keep_crds: bool,
    /// Warnings count as errors
    #[arg(long)]
    strict: bool,
    /// How the findings are printed
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs
    Json,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match &cli.command {
        None => render(&cli.render),
        Some(Command::Render(args)) => render(args),
        Some(Command::Package(args)) => package(args),
        Some(Command::Lint(args)) => lint(args),
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

fn lint(args: &LintArgs) -> anyhow::Result<ExitCode> {
    let mut options = Options {
        ignore: args.ignore.iter().copied().collect(),
        crd_keep: args.keep_crds,
        crd_argo: args.keep_crds,
        chart: args.chart.clone(),
        namespace: args.namespace.clone(),
        ..Options::default()
    };
    if args.no_openshift {
        options.openshift = None;
    }
    let report = chartgen_lint::lint_dir(&args.folder, &options)?;
    match args.output {
        Format::Text => print!("{report}"),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    let warnings = report.count(chartgen_lint::Severity::Warning) > 0;
    Ok(if report.has_errors() || (args.strict && warnings) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}
