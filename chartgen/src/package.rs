//! `fleet-chartgen package`: archives for registries, their checksums, and signatures where a key is
//! named.
//!
//! gpg signs. The key of a release lies in an agent or on a card, and nothing here gets to see it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context as _, bail};
use chartgen::{Package, RenderedChart};
use clap::Args;
use fleet_chartgen::Release;

pub(crate) const EXAMPLES: &str = "Examples:
  fleet-chartgen package
  helm dependency build charts/fleet-platform   # once: what fleet-platform brings of others
  fleet-chartgen package --sign releases@example.org
  helm push target/charts/fleet-operator-0.1.0.tgz oci://registry.example/charts";

/// The checksums, as `sha256sum --check` reads them.
const SUMS: &str = "SHA256SUMS";

#[derive(Debug, Args)]
pub(crate) struct PackageArgs {
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
    /// The packages of others' charts, as `helm dependency build` leaves them
    #[arg(
        long,
        value_name = "DIR",
        default_value = "charts/fleet-platform/charts"
    )]
    dependencies: PathBuf,
    /// Sign each package with this key of gpg: an address, an id or a fingerprint
    #[arg(long, value_name = "KEY", env = "FLEET_CHART_SIGNING_KEY")]
    sign: Option<String>,
}

pub(crate) fn run(args: &PackageArgs) -> anyhow::Result<ExitCode> {
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let mut packed: BTreeMap<String, Package> = BTreeMap::new();
    let release = Release::current()?.with_changes()?;
    for chart in fleet_chartgen::charts_of(&release)? {
        let path = args.out.join(file_name(&chart.name, &chart.version));
        // What an earlier run left must not be taken for this one's.
        for stale in [path.clone(), provenance(&path)] {
            remove(&stale)?;
        }
        let files = match whole(&chart, &packed, &args.dependencies)? {
            Whole::Files(files) => files,
            Whole::Lacks(missing) => {
                eprintln!(
                    "skipped: package of {0}: {1} not in {2}; helm dependency build charts/{0} fetches what is missing",
                    chart.name,
                    missing.join(", "),
                    args.dependencies.display(),
                );
                continue;
            }
        };
        let package = chartgen::package(&files, &chart.name, &chart.version, args.mtime)?;
        write(&path, &package.bytes)?;
        println!("{}", path.display());
        if let Some(key) = &args.sign {
            let described = files.get(Path::new("Chart.yaml"));
            let message = package.provenance(described.map_or(&[][..], Vec::as_slice))?;
            write(&provenance(&path), &sign(key, &message)?)?;
            println!("{}", provenance(&path).display());
        }
        packed.insert(package.file_name.clone(), package);
    }
    let sums = args.out.join(SUMS);
    write(&sums, checksums(packed.values()).as_bytes())?;
    println!("{}", sums.display());
    Ok(ExitCode::SUCCESS)
}

fn file_name(name: &str, version: &str) -> String {
    format!("{name}-{version}.tgz")
}

fn provenance(package: &Path) -> PathBuf {
    let mut path = package.as_os_str().to_owned();
    path.push(".prov");
    path.into()
}

/// A chart with all that it brings, or what of that is not there.
enum Whole {
    Files(BTreeMap<PathBuf, Vec<u8>>),
    Lacks(Vec<String>),
}

/// Puts the charts that a chart brings to its files: ours as they were just packed, others as Helm
/// fetched them.
fn whole(
    chart: &RenderedChart,
    packed: &BTreeMap<String, Package>,
    fetched: &Path,
) -> anyhow::Result<Whole> {
    let (mut files, mut missing) = (chart.files.clone(), Vec::new());
    for dependency in &chart.dependencies {
        let file = file_name(&dependency.name, &dependency.version);
        let path = fetched.join(&file);
        let bytes = match packed.get(&file) {
            Some(ours) => Ok(ours.bytes.clone()),
            None => fs::read(&path),
        };
        match bytes {
            Ok(bytes) => {
                files.insert(Path::new("charts").join(file), bytes);
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => missing.push(file),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        }
    }
    if missing.is_empty() {
        return Ok(Whole::Files(files));
    }
    Ok(Whole::Lacks(missing))
}

/// A clear-signed text.
fn sign(key: &str, message: &str) -> anyhow::Result<Vec<u8>> {
    let mut gpg = Command::new("gpg")
        .args(["--batch", "--yes", "--armor", "--clearsign"])
        .args(["--digest-algo", "SHA512", "--local-user", key])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start gpg, which signs packages")?;
    if let Some(mut stdin) = gpg.stdin.take() {
        // If gpg does not read, it says why below.
        let _ = stdin.write_all(message.as_bytes());
    }
    let done = gpg.wait_with_output().context("gpg was lost")?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        bail!("gpg did not sign with the key {key}: {}", said.trim());
    }
    Ok(done.stdout)
}

fn checksums<'a>(packages: impl Iterator<Item = &'a Package>) -> String {
    let mut text = String::new();
    for package in packages {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{}  {}", package.sha256(), package.file_name);
    }
    text
}

fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

fn remove(path: &Path) -> anyhow::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
