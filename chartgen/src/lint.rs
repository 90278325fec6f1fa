//! `fleet-chartgen lint`.

use std::path::PathBuf;
use std::process::ExitCode;

use chartgen_lint::{Error, Manifests, Options, Report, Severity};
use clap::{Args, ValueEnum};

/// What stands below the help.
pub(crate) const EXAMPLES: &str = "Examples:
  helm template web ./chart --output-dir rendered && fleet-chartgen lint rendered
  fleet-chartgen lint rendered --previous rendered-of-the-last-release
  fleet-chartgen lint rendered -o json

Exit codes: 0 nothing wrong, 1 something is wrong (or, with --strict, worth a warning).";

/// What to check, and how.
#[derive(Debug, Args)]
pub(crate) struct LintArgs {
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

/// Checks, prints, and says whether all is well.
pub(crate) fn run(args: &LintArgs) -> anyhow::Result<ExitCode> {
    let report = report(args)?;
    match args.output {
        Format::Text => println!("{report}"),
        Format::Json => println!("{}", serde_json::to_string_pretty(&report)?),
    }
    let warnings = report.count(Severity::Warning) > 0;
    Ok(if report.has_errors() || (args.strict && warnings) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn report(args: &LintArgs) -> Result<Report, Error> {
    let options = options(args);
    let manifests = Manifests::read_dir(&args.folder)?;
    let Some(previous) = &args.previous else {
        return chartgen_lint::lint_manifests(manifests, &options);
    };
    let mut upgrade = chartgen_lint::compare(&Manifests::read_dir(previous)?, &manifests);
    upgrade
        .findings
        .retain(|finding| !options.ignore.contains(&finding.rule));
    let mut report = chartgen_lint::lint_manifests(manifests, &options)?;
    report.merge(upgrade);
    Ok(report)
}

fn options(args: &LintArgs) -> Options {
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
    options
}
