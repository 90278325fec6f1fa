//! `fleet-gitops`: writes the manifests of `gitops/manifests/`, for this repository or for an
//! installation's own.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use fleet_gitops::{Cluster, Files, Parameters, Registry, RepoUrl, Revision, Supply, examples};

/// fleet-platform as Argo CD applications, written from Rust.
#[derive(Debug, Parser)]
#[command(name = "fleet-gitops", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Write what is committed here: all sets, with example.com where an installation has its own
    Examples {
        /// Write nothing; fail if what is there differs
        #[arg(long)]
        check: bool,
        /// The folder
        #[arg(long, value_name = "DIR", default_value = "gitops/manifests")]
        out: PathBuf,
    },
    /// Write the manifests of one installation
    Render(Render),
}

#[derive(Debug, clap::Args)]
struct Render {
    /// The git repository that Argo CD shall follow: a fork or mirror of this one
    #[arg(long, value_name = "URL")]
    repository: RepoUrl,
    /// The branch, tag or commit of it
    #[arg(long, value_name = "REVISION")]
    revision: Revision,
    /// What the cluster is
    #[arg(long, value_enum, default_value_t = Kind::Kubernetes)]
    cluster: Kind,
    /// Take charts and images of others from this registry, which holds images under their own paths
    /// and charts below charts/
    #[arg(long, value_name = "HOST[/PATH]")]
    mirror: Option<Registry>,
    /// The folder; in the repository it must be gitops/manifests
    #[arg(long, value_name = "DIR", default_value = "gitops/manifests")]
    out: PathBuf,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Kubernetes
    Kubernetes,
    /// OKD or OpenShift
    Okd,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Examples { check, out } => write_examples(check, &out),
        Command::Render(args) => render(args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn write_examples(check: bool, out: &std::path::Path) -> anyhow::Result<ExitCode> {
    let files = Files::of_all(&examples()?)?;
    if !check {
        files.write_to(out)?;
        println!("{}: {} files", out.display(), files.iter().count());
        return Ok(ExitCode::SUCCESS);
    }
    let drift = files.diff(out)?;
    if drift.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("{}", drift.join("\n"));
    eprintln!("error: the manifests differ from their definitions in Rust; run `make generate`");
    Ok(ExitCode::FAILURE)
}

fn render(args: Render) -> anyhow::Result<ExitCode> {
    let parameters = Parameters {
        repository: args.repository,
        revision: args.revision,
        cluster: match args.cluster {
            Kind::Kubernetes => Cluster::Kubernetes,
            Kind::Okd => Cluster::Okd,
        },
        supply: args.mirror.map_or(Supply::Upstream, Supply::Mirror),
    };
    let files = Files::of(&parameters)?;
    files.write_to(&args.out)?;
    let root = args.out.join(parameters.overlay());
    println!("{}: {} files", args.out.display(), files.iter().count());
    println!("commit them, then: kubectl apply -f {}", root.display());
    Ok(ExitCode::SUCCESS)
}
