//! All rules over all objects.

use std::path::Path;

use crate::folder::{self, Error};
use crate::object::Manifests;
use crate::options::Options;
use crate::report::Report;
use crate::{crd, duplicates, fields, pod, rbac, release, selectors};

/// Checks every `.yaml`, `.yml` and `.json` file below a folder, as one release.
///
/// # Errors
/// When the folder cannot be read, holds no manifest, or holds an unrendered chart.
pub fn lint_dir(folder: &Path, options: &Options) -> Result<Report, Error> {
    lint_manifests(Manifests::read_dir(folder)?, options)
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
        for path in folder::files(folder)? {
            chart.push((path.to_string_lossy().into_owned(), folder::read(&path)?));
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
