//! All rules over all objects.

use std::fs;
use std::path::{Path, PathBuf};

use crate::object::Manifests;
use crate::options::Options;
use crate::report::Report;
use crate::{crd, duplicates, fields, pod, rbac, release, selectors};

/// Why nothing could be checked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or folder could not be read.
    #[error("could not read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The folder is a chart, not what comes out of one.
    #[error(
        "{} is a chart; render it first: helm template NAME {} --output-dir DIR",
        .0.display(),
        .0.display()
    )]
    NotRendered(PathBuf),
    /// There is no manifest in the folder.
    #[error("there is no .yaml, .yml or .json file below {}", .0.display())]
    Empty(PathBuf),
}

/// Checks every `.yaml`, `.yml` and `.json` file below a folder, as one release.
///
/// # Errors
/// When the folder cannot be read, holds no manifest, or holds an unrendered chart.
pub fn lint_dir(folder: &Path, options: &Options) -> Result<Report, Error> {
    if folder.join("Chart.yaml").exists() {
        return Err(Error::NotRendered(folder.to_owned()));
    }
    let mut manifests = Manifests::default();
    let files = files(folder)?;
    for path in files.iter().filter(|path| is_manifest(path)) {
        let text = fs::read(path).map_err(|source| Error::Read {
            path: path.clone(),
            source,
        })?;
        let name = path.strip_prefix(folder).unwrap_or(path).to_string_lossy();
        manifests.add(&name, &String::from_utf8_lossy(&text));
    }
    if manifests.text.is_empty() {
        return Err(Error::Empty(folder.to_owned()));
    }
    lint_manifests(manifests, options)
}

/// Checks one text, such as all that `helm template` printed. `Options::chart` is not read.
pub fn lint_text(file: &str, text: &str, options: &Options) -> Report {
    lint_with_files(Manifests::read(file, text), options, &[])
}

/// Checks manifests that were read before.
///
/// # Errors
/// When the folder `Options::chart` cannot be read.
pub fn lint_manifests(manifests: Manifests, options: &Options) -> Result<Report, Error> {
    let mut chart = Vec::new();
    if let Some(folder) = &options.chart {
        for path in files(folder)? {
            let content = fs::read(&path).map_err(|source| Error::Read {
                path: path.clone(),
                source,
            })?;
            chart.push((path.to_string_lossy().into_owned(), content));
        }
    }
    Ok(lint_with_files(manifests, options, &chart))
}

fn lint_with_files(manifests: Manifests, options: &Options, chart: &[(String, Vec<u8>)]) -> Report {
    let Manifests {
        objects,
        mut findings,
        text,
    } = manifests;
    for object in &objects {
        findings.extend(pod::lint(object, options));
        findings.extend(fields::lint(object));
        findings.extend(duplicates::entries(object));
        findings.extend(selectors::lint(object));
        findings.extend(crd::lint(object, options));
    }
    findings.extend(duplicates::objects(&objects, options));
    findings.extend(rbac::lint(&objects, options));
    findings.extend(release::lint(&text, chart, options));
    findings.retain(|finding| !options.ignore.contains(&finding.rule));
    let mut report = Report {
        objects: objects.len(),
        findings,
    };
    report.sort();
    report
}

fn is_manifest(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("yaml" | "yml" | "json"))
}

/// All files below a folder, sorted. Links are not followed: they may lead in circles.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Error> {
    let error = |source| Error::Read {
        path: folder.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(error)? {
        let entry = entry.map_err(error)?;
        let kind = entry.file_type().map_err(error)?;
        if kind.is_dir() {
            found.extend(files(&entry.path())?);
        } else if kind.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}
