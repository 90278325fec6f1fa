//! A chart as the archive that `helm install` and registries take.

use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};

use flate2::{Compression, GzBuilder};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use tar::{Builder, Header};

use crate::RenderedChart;

/// What gzip writes for an operating system it does not name.
const NO_SYSTEM: u8 = 255;

/// Why files are no chart to be packed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// Helm reads this file first.
    #[error("the chart has no Chart.yaml")]
    NoChart,
    /// The name would make another path of every entry.
    #[error("{name:?} is no name of a chart: letters, digits, `-`, `_` and `.`")]
    Name {
        /// What was given.
        name: String,
    },
    /// The version is part of the name of the archive.
    #[error("{version:?} is no version of a chart: such as 1.2.3 or 1.2.3-rc.1+build.5")]
    Version {
        /// What was given.
        version: String,
    },
    /// A path that leads out of the chart, or that not every system can write.
    #[error("{path:?} is no path inside the chart")]
    Path {
        /// What was given.
        path: PathBuf,
    },
    /// The archive could not be written.
    #[error("cannot add {path:?} to the archive")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its provenance would be read as something else.
    #[error("Chart.yaml is no text that a provenance file can hold")]
    Provenance,
    /// The archive could not be finished.
    #[error("cannot compress the archive")]
    Compress(#[source] io::Error),
}

/// A packed chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// `<name>-<version>.tgz`.
    pub file_name: String,
    /// The archive.
    pub bytes: Vec<u8>,
}

/// What stands between the two documents of a provenance file.
const END: &str = "\n...\n";

impl Package {
    /// The SHA-256 of the archive, in hexadecimal digits.
    pub fn sha256(&self) -> String {
        format!("{:x}", Sha256::digest(&self.bytes))
    }

    /// What Helm wants to see signed of a package: what the chart says of itself, and the archive's
    /// digest. In the clear text of an `OpenPGP` signature it is the file `<package>.prov`, which
    /// `helm verify` and `helm pull --verify` ask for.
    ///
    /// `chart` is the `Chart.yaml` in the package.
    pub fn provenance(&self, chart: &[u8]) -> Result<String, PackageError> {
        let chart = std::str::from_utf8(chart).map_err(|_| PackageError::Provenance)?;
        let chart = chart.trim_end();
        if chart.is_empty() || chart.contains(END) || chart.contains('\r') {
            return Err(PackageError::Provenance);
        }
        let digest = format!("sha256:{}", self.sha256());
        // JSON is YAML, and has one way to write a name.
        let sums = json!({"files": {self.file_name.as_str(): digest}});
        Ok(format!("{chart}{END}{sums}\n"))
    }
}

impl RenderedChart {
    /// The chart as a package; see [`package`]. Charts that it brings are not in it: put theirs into
    /// `files` below `charts/`.
    pub fn package(&self, mtime: u64) -> Result<Package, PackageError> {
        package(&self.files, &self.name, &self.version, mtime)
    }
}

/// Packs a chart, to the same bytes whenever and wherever it is done.
///
/// `files` are the paths below the chart's folder and their content; `name` and `version` are those
/// in its `Chart.yaml`, which Helm compares. `mtime`, in seconds since 1970, becomes the time of
/// every file: the value of `SOURCE_DATE_EPOCH`, or 0.
///
/// The set of files is explicit, so a `.helmignore` among them is packed and not applied.
pub fn package(
    files: &BTreeMap<PathBuf, Vec<u8>>,
    name: &str,
    version: &str,
    mtime: u64,
) -> Result<Package, PackageError> {
    check_name(name)?;
    check_version(version)?;
    let mut entries = Vec::with_capacity(files.len());
    for (path, content) in files {
        entries.push((rank(path), entry_name(path)?, path, content));
    }
    entries.sort();
    if entries.first().is_none_or(|(rank, ..)| *rank > 0) {
        return Err(PackageError::NoChart);
    }
    let gzip = GzBuilder::new().operating_system(NO_SYSTEM);
    let mut archive = Builder::new(gzip.write(Vec::new(), Compression::best()));
    for (_, entry, path, content) in entries {
        append(&mut archive, &format!("{name}/{entry}"), content, mtime).map_err(|source| {
            let path = path.clone();
            PackageError::Write { path, source }
        })?;
    }
    let bytes = archive
        .into_inner()
        .and_then(flate2::write::GzEncoder::finish)
        .map_err(PackageError::Compress)?;
    let file_name = format!("{name}-{version}.tgz");
    Ok(Package { file_name, bytes })
}

fn append<W: io::Write>(
    archive: &mut Builder<W>,
    entry: &str,
    content: &[u8],
    mtime: u64,
) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(u64::try_from(content.len()).map_err(io::Error::other)?);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    archive.append_data(&mut header, entry, content)
}

/// The order of `helm package`: what describes the chart first, what it depends on last.
fn rank(path: &Path) -> u8 {
    let known = [
        "Chart.yaml",
        "Chart.lock",
        "values.yaml",
        "values.schema.json",
    ];
    let place = known.iter().position(|name| path == Path::new(name));
    match place {
        Some(place) => u8::try_from(place).unwrap_or(u8::MAX),
        None if path.starts_with("templates") => 10,
        None if path.starts_with("charts") => 12,
        None => 11,
    }
}

/// The path of an entry with slashes on every system.
fn entry_name(path: &Path) -> Result<String, PackageError> {
    let bad = || PackageError::Path {
        path: path.to_owned(),
    };
    let parts = path.components().map(|part| match part {
        Component::Normal(name) => name.to_str().filter(|name| !name.contains('\\')),
        _ => None,
    });
    let parts: Vec<_> = parts.collect::<Option<_>>().ok_or_else(bad)?;
    if parts.is_empty() {
        return Err(bad());
    }
    Ok(parts.join("/"))
}

fn check_name(name: &str) -> Result<(), PackageError> {
    let known = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(known) {
        let name = name.to_owned();
        return Err(PackageError::Name { name });
    }
    Ok(())
}

/// Three numbers, and what may follow them.
fn check_version(version: &str) -> Result<(), PackageError> {
    let known = |c: char| c.is_ascii_alphanumeric() || "-.+".contains(c);
    let core = version.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = core.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit());
    if numbers.len() != 3 || !numbers.iter().all(is_number) || !version.chars().all(known) {
        let version = version.to_owned();
        return Err(PackageError::Version { version });
    }
    Ok(())
}
