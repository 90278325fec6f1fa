//! `fleet-images`: arguments, progress, results.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand, ValueEnum};
use fleet_images::build::{Built, Load, Plan, build};
use fleet_images::oci::{Architecture, Epoch};

/// Container images of our programs: from scratch, static, the same bytes every time.
#[derive(Debug, Parser)]
#[command(name = "fleet-images", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Compile the programs and write one archive per image.
    Build(Options),
}

#[derive(Debug, Args)]
struct Options {
    /// For which machines.
    #[arg(long = "arch", value_delimiter = ',', default_value = "amd64,arm64")]
    architectures: Vec<Architecture>,
    /// Folder for archives and lists of components.
    #[arg(long, default_value = "target/images")]
    out: PathBuf,
    /// Host and folder in front of the images' names.
    #[arg(long, env = "FLEET_IMAGE_REGISTRY", default_value = "localhost")]
    registry: String,
    /// Tag of the images.
    #[arg(long, default_value = env!("CARGO_PKG_VERSION"))]
    tag: String,
    /// Where the sources are published; goes into a label.
    #[arg(long, env = "FLEET_IMAGE_SOURCE")]
    source: Option<String>,
    /// Time of the sources in seconds since 1970. Default: that of the commit.
    #[arg(long, env = "SOURCE_DATE_EPOCH")]
    source_date_epoch: Option<Epoch>,
    /// Also load the images into podman, where there is one.
    #[arg(long)]
    load: bool,
    /// How results are printed.
    #[arg(short, long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// For people.
    Text,
    /// For machines.
    Json,
}

fn main() -> anyhow::Result<()> {
    let Command::Build(options) = Cli::parse().command;
    let format = options.output;
    let start = Instant::now();
    let built = build(&plan(options)?, &mut |step| {
        eprintln!("[{:>4} s] {step}", start.elapsed().as_secs());
    })?;
    let mut stdout = io::stdout().lock();
    match format {
        Format::Text => print(&built, &mut stdout)?,
        Format::Json => {
            serde_json::to_writer_pretty(&mut stdout, &built)?;
            stdout.write_all(b"\n")?;
        }
    }
    Ok(())
}

fn plan(options: Options) -> anyhow::Result<Plan> {
    Ok(Plan {
        root: workspace_root()?,
        architectures: options.architectures,
        out: options.out,
        registry: options.registry,
        version: options.tag,
        source: options.source,
        time: options.source_date_epoch,
        load: if options.load { Load::Podman } else { Load::No },
    })
}

/// The folder above with a `Cargo.lock`. Not the one this program was compiled in: it may have
/// moved since.
fn workspace_root() -> anyhow::Result<PathBuf> {
    let here = std::env::current_dir().context("cannot find the current folder")?;
    let root = here
        .ancestors()
        .find(|folder| folder.join("Cargo.lock").is_file());
    root.map(Path::to_owned)
        .context("run this in the folder of the sources")
}

fn print(built: &[Built], to: &mut impl Write) -> io::Result<()> {
    for image in built {
        writeln!(to, "{}", image.reference)?;
        writeln!(to, "  digest   {}", image.digest)?;
        writeln!(to, "  size     {} bytes", image.size)?;
        writeln!(to, "  archive  {}", image.archive.display())?;
        for platform in &image.platforms {
            let name = platform.architecture.as_str();
            writeln!(to, "  {name:<8} {}", platform.digest)?;
            for program in &platform.programs {
                let (name, list) = (program.name, program.sbom.display());
                writeln!(to, "           {name}, components in {list}")?;
            }
        }
    }
    Ok(())
}
